"""Drawings as byte maps that are sampled bilinearly: a point lies on ink where the sample is below a threshold.

Two kinds. `coverage`: 0 on ink and 255 on paper, so that a sample below 127.5 is more ink than paper. `distance`: the
distance to the nearest ink in 1/32 pixels; below 3.1 pixels it stands for the four passes with a threshold at zero of
the released generator, which thicken strokes to about double. Each map is cut to its ink and a border, outside of
which nothing is ink.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.render.glyphs import ink_boxes
from pipeline.render.jit import compiled
from pipeline.render.transform import BORDER, SIDE

Kind = Literal["coverage", "distance"]
STEP = 32
"""Parts of a pixel in which distances are counted."""
REACH = 5
"""Pixels beyond which a distance no longer matters: a sample below 3.1 has no corner beyond 3.1 + sqrt(2)."""
MARGIN = {"coverage": 1, "distance": REACH}
"""Pixels of paper around the ink in a map."""
THRESHOLD = {"coverage": 127.5, "distance": 3.1 * STEP}


class GlyphMaps(NamedTuple):
    """The maps of G drawings."""

    values: NDArray[np.uint8]
    """All maps, row by row, one after the other."""
    starts: NDArray[np.int64]
    """(G,): where each begins."""
    boxes: NDArray[np.int64]
    """(G, 4): left, top, width and height in pixels of the drawing; left and top may be negative."""
    threshold: int
    """What is below it is ink, in 1/65536 of a value: samples are weighted in 1/256 along each axis."""


def make_maps(drawings: NDArray[np.uint8], kind: Kind) -> GlyphMaps:
    """Maps of packed drawings (G, 128, 16) as `glyphs.pack` makes them, none of which is blank."""
    border, ink = MARGIN[kind], ink_boxes(drawings).astype(np.int64)
    boxes = np.column_stack([ink[:, :2] - border, ink[:, 2:] - ink[:, :2] + 2 * border])
    starts = np.concatenate([[0], np.cumsum(boxes[:, 2] * boxes[:, 3])])
    values = np.full(int(starts[-1]), 255, np.uint8)
    _fill(values, starts, boxes, drawings, _disc(border) if kind == "distance" else np.zeros((1, 1), np.uint8))
    return GlyphMaps(values, starts[:-1], boxes, int(THRESHOLD[kind] * 65536))


def _disc(radius: int) -> NDArray[np.uint8]:
    # Distances from the centre of a square, rounded; 255 from `radius` pixels on.
    away = np.arange(-radius, radius + 1)
    distances = np.hypot(away[:, None], away[None])
    return np.where(distances < radius, np.rint(distances * STEP), 255).astype(np.uint8)


@compiled
def _fill(
    values: NDArray[np.uint8],
    starts: NDArray[np.int64],
    boxes: NDArray[np.int64],
    drawings: NDArray[np.uint8],
    disc: NDArray[np.uint8],
) -> None:
    # Stamp the disc around each ink pixel, keeping the least: what an exact distance transform finds within its radius.
    reach = disc.shape[0] // 2
    for g in range(drawings.shape[0]):
        left, top, width = boxes[g, 0], boxes[g, 1], boxes[g, 2]
        for y in range(SIDE):
            for x in range(SIDE):
                if (drawings[g, y + BORDER, (x + BORDER) >> 3] >> ((x + BORDER) & 7)) & 1 == 0:
                    continue
                for dy in range(-reach, reach + 1):
                    row = starts[g] + (y - top + dy) * width + x - left
                    for dx in range(-reach, reach + 1):
                        values[row + dx] = min(values[row + dx], disc[dy + reach, dx + reach])


@compiled
def paint(
    maps: GlyphMaps,
    glyph: int,
    way: NDArray[np.int64],
    number: int,
    labels: NDArray[np.uint8],
    extent: NDArray[np.int64],
) -> None:
    """Write `number` into `labels` (S, S) wherever one drawing's ink is.

    `way` (xx, xy, x0, yx, yy, y0) leads from pixel (x, y) of the scene to the drawing, in 1/65536 pixels:
    (xx x + xy y + x0, yx x + yy y + y0). `extent` (S, 2) is widened to the first and last (exclusive) column looked at.
    """
    left, top, width, height = maps.boxes[glyph]
    side = labels.shape[0]
    x0, y0 = way[2] - (left << 16), way[5] - (top << 16)
    most_x, most_y = ((width - 1) << 16) - 1, ((height - 1) << 16) - 1
    first, last = _rows(way, x0, y0, most_x, most_y, side)
    values = maps.values[maps.starts[glyph] : maps.starts[glyph] + width * height]
    for y in range(first, last):
        gx, gy = x0 + way[1] * y, y0 + way[4] * y
        start, stop = _cut(gx, way[0], most_x, 0, side)
        start, stop = _cut(gy, way[3], most_y, start, stop)
        if start >= stop:
            continue
        extent[y, 0], extent[y, 1] = min(extent[y, 0], start), max(extent[y, 1], stop)
        gx, gy = gx + way[0] * start, gy + way[3] * start
        for x in range(start, stop):
            at = np.uint64((gy >> 16) * width + (gx >> 16))
            fx, fy = (gx >> 8) & 255, (gy >> 8) & 255
            upper = values[at] * (256 - fx) + values[at + np.uint64(1)] * fx
            lower = values[at + np.uint64(width)] * (256 - fx) + values[at + np.uint64(width + 1)] * fx
            if upper * (256 - fy) + lower * fy < maps.threshold:
                labels[y, x] = number
            gx += way[0]
            gy += way[3]


@compiled
def _rows(way: NDArray[np.int64], x0: int, y0: int, most_x: int, most_y: int, side: int) -> tuple[int, int]:
    # Rows of the scene that the map can reach, and a few more: the inverse of `way` at the map's corners.
    over = 1.0 / (float(way[0]) * way[4] - float(way[1]) * way[3])
    low, high = np.inf, -np.inf
    for x in (0, most_x):
        for y in (0, most_y):
            row = (float(way[0]) * (y - y0) - float(way[3]) * (x - x0)) * over
            low, high = min(low, row), max(high, row)
    return int(min(max(low - 1.0, 0.0), side)), int(min(max(high + 2.0, 0.0), side))


@compiled
def _cut(value: int, step: int, most: int, start: int, stop: int) -> tuple[int, int]:
    # Those i of start .. stop - 1 for which 0 <= value + i * step <= most, exactly.
    if step == 0:
        return (start, stop) if 0 <= value <= most else (0, 0)
    if step < 0:
        value, step = most - value, -step  # the same condition, mirrored
    return max(start, -(value // step)), min(stop, (most - value) // step + 1)
