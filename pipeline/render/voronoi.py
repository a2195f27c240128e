"""Exact Voronoi cells of integer points, row by row (Ustyuzhaninov et al. 2018, section 2.1).

A pixel (x, y) belongs to the nearest anchor by Euclidean distance, ties to the lowest index. Along a row the squared
distance to an anchor is x^2 plus a line in x of slope -2 ax, so that the cells of a row are the lower envelope of N
lines: a few spans, found without looking at a single pixel.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled

Integers = NDArray[np.int64]


class Anchors(NamedTuple):
    """The anchors that have a region, sorted by x; the others repeat one of a lower index."""

    x: Integers
    y: Integers
    region: Integers
    """Which region each of them is."""


class Spans(NamedTuple):
    """Room for the cells of one row, N each."""

    anchor: Integers
    """Position among the sorted anchors."""
    start: Integers
    """First pixel; the cell ends where the next one starts, the last one at the row's end."""


@compiled
def reciprocals(width: int) -> NDArray[np.float64]:
    """1 / 2d of every difference d of two x of a row, at [d]; the first is never looked at."""
    over = np.zeros(width)
    for d in range(1, width):
        over[d] = 0.5 / d
    return over


@compiled
def sort_anchors(x: Integers, y: Integers, anchors: Anchors) -> int:
    """Sort the N points into `anchors` by x, then y; of equal points the first alone. Return how many are left."""
    count = 0
    for k in range(len(x)):
        place, twice = count, False
        while place > 0 and (anchors.x[place - 1], anchors.y[place - 1]) >= (x[k], y[k]):
            twice |= (anchors.x[place - 1], anchors.y[place - 1]) == (x[k], y[k])
            place -= 1
        if twice:
            continue
        for j in range(count, place, -1):
            anchors.x[j], anchors.y[j], anchors.region[j] = anchors.x[j - 1], anchors.y[j - 1], anchors.region[j - 1]
        anchors.x[place], anchors.y[place], anchors.region[place] = x[k], y[k], k
        count += 1
    return count


@compiled
def _takeover(anchors: Anchors, i: int, j: int, row: int, over: NDArray[np.float64]) -> int:
    # First x of the row at which j, to the right of i, is nearer, or as near and of lower index.
    xi, xj, up, down = anchors.x[i], anchors.x[j], row - anchors.y[i], row - anchors.y[j]
    ahead = (xj - xi) * (xj + xi) + down * down - up * up
    first = 1 if anchors.region[j] > anchors.region[i] else 0
    # floor(ahead / 2d) + 1, or ceil(ahead / 2d) where a tie is j's: without `first`, floor((ahead - 1) / 2d) + 1.
    # An integer plus a half is never closer than 1 / 4d to a multiple of 2d, far more than a product's rounding.
    return int(np.floor((ahead + first - 0.5) * over[xj - xi])) + 1


@compiled
def row_cells(anchors: Anchors, count: int, row: int, width: int, over: NDArray[np.float64], spans: Spans) -> int:
    """Cells of pixels 0 .. width - 1 of one row, left to right, into `spans`; return how many."""
    cells, j = 0, 0
    while j < count:
        best, far = j, abs(row - anchors.y[j])
        j += 1
        while j < count and anchors.x[j] == anchors.x[best]:  # of one column, only the nearest can win
            other = abs(row - anchors.y[j])
            if other < far or (other == far and anchors.region[j] < anchors.region[best]):
                best, far = j, other
            j += 1
        start = 0
        while cells > 0:
            start = _takeover(anchors, spans.anchor[cells - 1], best, row, over)
            if start > spans.start[cells - 1]:
                break
            cells -= 1
            start = 0
        if start < width:
            spans.anchor[cells], spans.start[cells] = best, start
            cells += 1
    return cells
