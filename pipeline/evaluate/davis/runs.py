"""Label maps as runs of equal labels in a row; runs of one object are chained by its number."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled

ROW, START, STOP, NEXT = range(4)
"""Columns of the table of runs; NEXT is the object's next run, -1 after its last."""
HEAD, TAIL, TOP, BOTTOM, LEFT, RIGHT = range(6)
"""Columns of the table of chains: first and last run (-1: none), then the box around them, ends included."""
BLOCK = 64
"""Pixels that are looked at together."""
_EVERY_BYTE = np.uint64(0x0101010101010101)


class Runs(NamedTuple):
    """Room for the runs of one label map."""

    table: NDArray[np.int32]
    """(H * W, 4): no map has more."""
    chains: NDArray[np.int32]
    """(256, 6): a row a number."""


def room(pixels: int) -> Runs:
    """Room for the runs of maps of so many pixels; what is never written takes no memory."""
    return Runs(np.empty((pixels, 4), np.int32), np.empty((256, 6), np.int32))


def in_blocks(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A flat map that ends on a block of 64 pixels and lies on words: itself, or a copy with more of its last label.

    It is not writeable, whatever the map is, so that code is compiled for one kind of arrays alone.
    """
    if len(labels) % BLOCK == 0 and labels.ctypes.data % 8 == 0 and labels.flags.c_contiguous:
        blocks = labels.view()
    else:
        blocks = np.pad(labels, (0, -len(labels) % BLOCK), mode="edge")
    blocks.flags.writeable = False
    return blocks


@compiled
def scan(
    labels: NDArray[np.uint8],
    words: NDArray[np.uint64],
    pixels: int,
    width: int,
    numbers: NDArray[np.uint8],
    runs: Runs,
) -> None:
    """Find the runs of a flat map of so many `pixels`, `in_blocks`, and chain those whose label has a number (256,).

    `words` are its bytes, eight at a time. A map is mostly long runs: blocks that only go on with one are seen in one
    look.
    """
    runs.chains[:, HEAD] = -1
    used, start, label = 0, 0, labels[0]
    same = label * _EVERY_BYTE
    for first in range(0, len(words), BLOCK // 8):
        change = np.uint64(0)
        for k in range(first, first + BLOCK // 8):
            change |= words[k] ^ same
        if change == 0:
            continue
        for k in range(first, first + BLOCK // 8):
            if words[k] != same:
                for place in range(8 * k, 8 * k + 8):
                    if labels[place] != label:
                        if numbers[label] > 0:
                            used = _append(runs, used, numbers[label], width, start, place)
                        start, label = place, labels[place]
                same = label * _EVERY_BYTE
    if numbers[label] > 0:
        _append(runs, used, numbers[label], width, start, pixels)


@compiled
def _append(runs: Runs, used: int, number: int, width: int, start: int, stop: int) -> int:
    """Chain the pixels start .. stop - 1 to their number, a run a row; how many runs are used by now."""
    entry = runs.chains[number]
    while start < stop:
        row = start // width
        run, left, right = runs.table[used], start - row * width, min(stop - row * width, width)
        run[ROW], run[START], run[STOP], run[NEXT] = row, left, right, -1
        if entry[HEAD] < 0:
            entry[HEAD], entry[TOP], entry[LEFT], entry[RIGHT] = used, row, left, right - 1
        else:
            runs.table[entry[TAIL], NEXT] = used
            entry[LEFT], entry[RIGHT] = min(entry[LEFT], left), max(entry[RIGHT], right - 1)
        entry[TAIL], entry[BOTTOM] = used, row
        used, start = used + 1, (row + 1) * width
    return used
