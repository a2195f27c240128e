"""Asking for bytes inside compiled code well before they are needed, so that they come from memory meanwhile."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from pipeline.render.jit import compiled

LINE = 64
"""Bytes that come at once."""


def _ask(_context: Any, source: Any, first: Any) -> Any:
    return types.void(source, first), _generate


def _generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    first = context.cast(builder, values[1], signature.args[1], types.intp)
    source = context.make_array(signature.args[0])(context, builder, values[0]).data
    place, word = builder.gep(source, [first]), ir.IntType(32)
    kinds = [place.type, word, word, word]
    ask = builder.module.declare_intrinsic("llvm.prefetch", kinds[:1], ir.FunctionType(ir.VoidType(), kinds))
    builder.call(ask, [place, word(0), word(2), word(1)])  # to read, into the second level of the cache, data
    return context.get_dummy_value()


_prefetch_line = cast(Callable[[NDArray[np.uint8], int], None], intrinsic(_ask))


@compiled
def prefetch(source: NDArray[np.uint8], first: int, count: int) -> None:
    """Ask for `count` bytes of a contiguous `source` (n,) from `first` on; nothing checks the bounds."""
    for at in range(first, first + count, LINE):
        _prefetch_line(source, at)
