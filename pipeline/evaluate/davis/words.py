"""Rows of pixels as 64-bit words: bit i of word w is pixel 64 w + i."""

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled

Words = NDArray[np.uint64]

_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_PAIRS, _FOURS, _BYTES, _SUM = (np.uint64(0x0101010101010101 * each) for each in (0x55, 0x33, 0x0F, 0x01))
_1, _2, _4, _56, _63 = (np.uint64(each) for each in (1, 2, 4, 56, 63))


@compiled
def total(words: Words) -> np.int64:
    """How many pixels are set."""
    found = np.int64(0)
    for i in range(len(words)):
        found += _popcount(words[i])
    return found


@compiled
def common(words: Words, others: Words) -> np.int64:
    """How many pixels are set in both."""
    found = np.int64(0)
    for i in range(len(words)):
        found += _popcount(words[i] & others[i])
    return found


@compiled
def set_span(words: Words, start: int, stop: int) -> None:
    """Set the pixels start .. stop - 1, at least one."""
    first, last = start >> 6, (stop - 1) >> 6
    head, tail = _ONES << np.uint64(start & 63), _ONES >> np.uint64(-stop & 63)
    if first == last:
        words[first] |= head & tail
        return
    words[first] |= head
    for i in range(first + 1, last):
        words[i] = _ONES
    words[last] |= tail


@compiled
def widen(wide: Words, words: Words, step: int) -> None:
    """Add to every pixel the one `step` (1 .. 63) to its left and right; the first and the last word are left out."""
    before, here, after, grown = words[:-2], words[1:-1], words[2:], wide[1:-1]
    up, down = np.uint64(step), np.uint64(64 - step)
    for i in range(len(here)):
        word = here[i]
        grown[i] = word | (word << up) | (word >> up) | (before[i] >> down) | (after[i] << down)


@compiled
def unite(all_three: Words, one: Words, other: Words) -> None:
    """Add the pixels of two others to the first."""
    for i in range(len(all_three)):
        all_three[i] |= one[i] | other[i]


@compiled
def _popcount(word: np.uint64) -> np.int64:
    """How many bits are set; LLVM knows the idiom and makes one instruction of it."""
    word = word - ((word >> _1) & _PAIRS)
    word = (word & _FOURS) + ((word >> _2) & _FOURS)
    return np.int64((((word + (word >> _4)) & _BYTES) * _SUM) >> _56)
