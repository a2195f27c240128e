"""Asking for bytes: the instruction is there, once a line, and nothing is changed by it."""

import numba
import numpy as np
from numpy.typing import NDArray

from pipeline.render.prefetch import prefetch


def ask(source: NDArray[np.uint8], first: int, count: int) -> None:
    prefetch(source, first, count)


def test_lines_are_asked_for() -> None:
    compiled, source = numba.njit(ask), np.arange(200, dtype=np.uint8)
    for first, count in ((0, 200), (150, 50), (0, 0)):
        compiled(source, first, count)
    assert np.array_equal(source, np.arange(200))
    (code,) = compiled.inspect_llvm().values()
    assert "call void @llvm.prefetch" in code
