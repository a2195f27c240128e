"""Copying bytes inside compiled code by the machine's own `memcpy`.

A loop that numba vectorizes copies blocks of 128 bytes and the rest one by one. Spans of a row of pixels are short, so
that the rest took as long as the blocks.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def _copy_bytes(_context: Any, target: Any, start: Any, source: Any, first: Any, count: Any) -> Any:
    return types.void(target, start, source, first, count), _generate


def _generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    start, first, count = (context.cast(builder, values[k], signature.args[k], types.intp) for k in (1, 3, 4))
    target, source = (context.make_array(signature.args[k])(context, builder, values[k]).data for k in (0, 2))
    copied = builder.gep(target, [start]), builder.gep(source, [first]), count
    cgutils.raw_memcpy(builder, *copied, itemsize=1)  # type: ignore[no-untyped-call]
    return context.get_dummy_value()


copy_bytes = cast(Callable[[Bytes, int, Bytes, int, int], None], intrinsic(_copy_bytes))
"""`copy_bytes(target, start, source, first, count)`: target[start : start + count] = source[first : first + count].

Both are contiguous, (n,), and share nothing. For compiled code alone; nothing checks the bounds.
"""
