"""One object's mask as a plane of bits, its boundary, and how much of a boundary lies near another.

A plane is the box around the object, row after row: a word of zeros, then for each row its words and a gap of zeros
(in which searches to both sides end), then a row of zeros. So every step is one loop over neighbours at fixed
distances, without a look at what is in the words.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.davis.runs import BOTTOM, HEAD, LEFT, NEXT, RIGHT, ROW, START, STOP, TOP, Runs
from pipeline.evaluate.davis.words import Words, common, set_span, total, unite, widen
from pipeline.render.jit import compiled

_1, _63 = np.uint64(1), np.uint64(63)


class Box(NamedTuple):
    """Where a plane lies in the frame."""

    top: int
    rows: int
    """0 where there is no pixel."""
    first: int
    """Word of a row of the frame, as `last`."""
    last: int
    stride: int
    """Words from row to row."""


def gap(reach: int) -> int:
    """Words between rows, so that no search within `reach` pixels runs into the next."""
    return reach // 64 + 1


def room(count: int, height: int, width: int, reach: int) -> Words:
    """(count, words) for planes of any box of a frame, and `reach` rows around them."""
    return np.empty((count, (height + 1 + 2 * reach) * ((width + 63) // 64 + gap(reach)) + 2), np.uint64)


@compiled
def box_around(said: Runs, true: Runs, number: int, gap: int) -> Box:
    """The box of two masks of one object, and of their boundaries, which lie a pixel further up and left at most."""
    top, bottom, left, right = 1 << 30, -1, 1 << 30, -1
    for runs in (said, true):
        entry = runs.chains[number]
        if entry[HEAD] >= 0:
            top, bottom = min(top, entry[TOP]), max(bottom, entry[BOTTOM])
            left, right = min(left, entry[LEFT]), max(right, entry[RIGHT])
    if bottom < 0:
        return Box(0, 0, 0, 0, 0)
    top, first, last = max(top - 1, 0), max(left - 1, 0) >> 6, right >> 6
    return Box(top, bottom - top + 1, first, last, last - first + 1 + gap)


@compiled
def draw(plane: Words, runs: Runs, number: int, box: Box) -> None:
    """Let the plane show one object and nothing else."""
    plane[:] = 0
    run = runs.chains[number, HEAD]
    while run >= 0:
        entry = runs.table[run]
        origin = 64 * (1 + (entry[ROW] - box.top) * box.stride - box.first)
        set_span(plane, origin + entry[START], origin + entry[STOP])
        run = entry[NEXT]


@compiled
def draw_boundary(edge: Words, mask: Words, box: Box, height: int, width: int) -> np.int64:
    """Draw the mask's boundary and count its pixels: those unlike their neighbour right, below, or right below.

    The frame's last column looks below only, its last row to the right only, and the corner nowhere (seg2bmap of the
    Berkeley segmentation benchmark, which DAVIS took up).
    """
    stride = box.stride
    edge[:] = 0
    unlike, here, after = edge[1 : -stride - 1], mask[1 : -stride - 1], mask[2:-stride]
    below, both = mask[1 + stride : -1], mask[2 + stride :]
    for i in range(len(unlike)):
        word = here[i]
        down = word ^ below[i]
        unlike[i] = (word ^ ((word >> _1) | (after[i] << _63))) | down | (word ^ ((below[i] >> _1) | (both[i] << _63)))
    words = box.last - box.first + 1
    if box.top + box.rows == height:
        start = (box.rows - 1) * stride
        for i in range(start, start + words):
            unlike[i] = here[i] ^ ((here[i] >> _1) | (after[i] << _63))
    if box.last == (width - 1) >> 6:
        column = _1 << np.uint64((width - 1) & 63)
        for row in range(box.rows):
            i = row * stride + words - 1
            down = here[i] ^ below[i] if box.top + row < height - 1 else np.uint64(0)
            unlike[i] = (unlike[i] & ~column) | (down & column)
    for row in range(box.rows):
        unlike[row * stride + words : (row + 1) * stride] = 0  # the next row's first pixel is unlike the gap
    return total(unlike)


@compiled
def matched(edge: Words, other: Words, box: Box, half: NDArray[np.int64], work: Words) -> np.int64:
    """How many pixels of `edge` have one of `other` within a disk, whose row `dy` reaches `half[dy]` to both sides.

    From the disk's outermost rows inwards `other` grows wider, and is laid over the rows that far above and below.
    `work` has room for three planes, with as many rows of zeros around them as the disk reaches.
    """
    size, margin = len(other), (len(half) - 1) * box.stride
    near, wide, wider = work[0, :size], work[1, : size + 2 * margin], work[2, : size + 2 * margin]
    near[:], wide[:], wider[:] = 0, 0, 0
    wide[margin : margin + size] = other
    width = 0
    for dy in range(len(half) - 1, -1, -1):
        while width < half[dy]:
            step = min(half[dy] - width, 2 * width + 1, 63)
            widen(wider[margin : margin + size], wide[margin : margin + size], step)
            wide, wider = wider, wide
            width += step
        start, stop = margin - dy * box.stride, margin + dy * box.stride
        unite(near, wide[start : start + size], wide[stop : stop + size])
    return common(edge, near)
