"""Masks as packed bits, most significant first, written span by span."""

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled


@compiled
def set_span(bits: NDArray[np.uint8], start: int, stop: int) -> None:
    """Set the pixels start .. stop - 1 of one row of packed `bits`, (ceil(S / 8),)."""
    first, last = start >> 3, stop >> 3
    head, tail = np.uint8(255 >> (start & 7)), np.uint8(~(255 >> (stop & 7)) & 255)
    if first == last:
        bits[first] |= head & tail
        return
    bits[first] |= head
    for i in range(first + 1, last):
        bits[i] = 255
    if tail > 0:
        bits[last] |= tail
