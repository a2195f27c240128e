"""Outlines of masks as polygons, the way COCO's annotators drew them: one a connected part, holes filled."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_AROUND = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
"""The eight neighbours as (row, column), clockwise from the right."""


def outlines(mask: NDArray[np.bool_]) -> list[list[int]]:
    """Polygons x, y, x, y, ... through the centres of border pixels of mask (H, W), the largest part first.

    Parts touch along sides or corners; those of fewer than three border pixels have no outline.
    """
    parts, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable") + 1
    found = [list(_border(np.pad(parts == number, 1))) for number in order]
    return [[value for row, column in points for value in (column - 1, row - 1)] for points in found if len(points) > 2]


def _border(inside: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Moore's tracing: from the first pixel clockwise around one part, which no edge of the array touches.

    It ends when the first pixel is left for the same neighbour as at the beginning (Jacob's criterion).
    """
    held = inside.tolist()
    start = row, column = divmod(int(inside.argmax()), inside.shape[1])
    first, way = None, 0
    while True:
        turns = (((way + turn) % 8) for turn in range(8))
        step = next((k for k in turns if held[row + _AROUND[k][0]][column + _AROUND[k][1]]), None)
        if step is None or ((row, column) == start and step == first):
            return
        first = step if first is None else first
        yield row, column
        row, column = row + _AROUND[step][0], column + _AROUND[step][1]
        way = (step + 7 - step % 2) % 8  # just clockwise of the background that was seen last
