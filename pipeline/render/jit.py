"""Compiling the drawing code with numba, under a cache that notices changes in every file that is compiled in."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import numba
from numba.core import config

from pipeline.closure import code_digest, code_files

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Compile `function` on its first call; it releases the GIL, and its machine code is kept in `__pycache__`.

    numba's own cache looks at the file of the function alone, and would go on running old code after a change in a
    compiled function that is imported from another file. Here the cache's folder is named by the import closure.
    """
    before = config.CACHE_DIR  # type: ignore[attr-defined]
    name = f"numba-{code_digest(code_files(function.__module__)).removeprefix('sha256:')[:16]}"
    try:
        config.CACHE_DIR = str(Path(__file__).resolve().parent / "__pycache__" / name)  # type: ignore[attr-defined]
        return cast(Function, numba.njit(nogil=True, cache=True, error_model="numpy")(function))
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]
