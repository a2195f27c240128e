"""Filling bytes inside compiled code by the machine's own `memset`, for spans too short for a vectorized loop."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray


def _fill_bytes(_context: Any, target: Any, start: Any, value: Any, count: Any) -> Any:
    return types.void(target, start, value, count), _generate


def _generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    start, count = (context.cast(builder, values[k], signature.args[k], types.intp) for k in (1, 3))
    value = context.cast(builder, values[2], signature.args[2], types.uint8)
    target = context.make_array(signature.args[0])(context, builder, values[0]).data
    cgutils.memset(builder, builder.gep(target, [start]), count, value)  # type: ignore[no-untyped-call]
    return context.get_dummy_value()


fill_bytes = cast(Callable[[NDArray[np.uint8], int, int, int], None], intrinsic(_fill_bytes))
"""`fill_bytes(target, start, value, count)`: target[start : start + count] = value, of a contiguous target (n,).

For compiled code alone; nothing checks the bounds.
"""
