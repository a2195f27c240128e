"""One drawing, turned, sheared, scaled, shrunk by 32/105 and cropped, as in the data of Michaelis et al. 2018.

The published pictures were made with Pillow: an affine transform with nearest sampling, a nearest resize and a crop.
Both samplings compose, so the picture in between is never made. Where Pillow's arithmetic shows, it is kept: 16.16
fixed point in the affine transform, and a running sum in the resize. Only that part of the canvas is sampled which the
ink box can reach.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled

SIDE = 105
"""Pixels of a drawing's side."""
UNIT = 32
"""Pixels a drawing's side is mapped to at scale 1."""
CANVAS = 96
"""No transformed drawing is wider or higher, not even before the crop."""
BORDER = 8
"""Blank pixels around a packed drawing: sampling may overshoot the ink box, by less than 4."""
PACKED_ROWS, PACKED_BYTES = 128, 16
"""A packed drawing: 128 rows of 128 bits, least significant bit first."""

Ink = NDArray[np.int32]
"""Ink pixels of a picture in reading order, each as row * 256 + column."""
Drawn = tuple[int, int, int]
"""(count, width, height): ink pixels and size of a cropped drawing; width and height are -1 where there was no ink."""


class Transform(NamedTuple):
    """A canvas on which the whole drawing fits, and the way back from it to the drawing."""

    width: float
    """Of the canvas, in pixels of the drawing."""
    height: float
    xx: float
    """Drawing x = xx * canvas x + xy * canvas y + x0; y likewise."""
    xy: float
    x0: float
    yx: float
    yy: float
    y0: float


@compiled
def transform(degrees: tuple[float, float], scales: tuple[float, float]) -> Transform:
    """The x axis is scaled by scales[0] and turned by turn + shear; the y axis by scales[1] and turn - shear."""
    a, b = scales
    along, across = math.radians(degrees[0] + degrees[1]), math.radians(degrees[0] - degrees[1])
    right_x, right_y = SIDE * a * math.cos(along), -SIDE * a * math.sin(along)
    down_x, down_y = SIDE * b * math.sin(across), SIDE * b * math.cos(across)
    least_x, most_x = min(0.0, right_x, down_x, right_x + down_x), max(0.0, right_x, down_x, right_x + down_x)
    least_y, most_y = min(0.0, right_y, down_y, right_y + down_y), max(0.0, right_y, down_y, right_y + down_y)
    over = SIDE / (right_x * down_y - right_y * down_x)
    xx, xy, yx, yy = down_y * over, -down_x * over, -right_y * over, right_x * over
    x0, y0 = xx * least_x + xy * least_y, yx * least_x + yy * least_y
    return Transform(most_x - least_x, most_y - least_y, xx, xy, x0, yx, yy, y0)


@compiled
def _fixed(value: float) -> int:
    return math.floor(value * 65536.0 + 0.5)


@compiled
def _resize(size: int, step: float, table: NDArray[np.int32]) -> None:
    # Which pixel each pixel of a nearest resize reads: Pillow adds the step up, it does not multiply.
    position = 0.5 * step
    for i in range(size):
        table[i] = int(position)
        position += step


@compiled
def _reach(way: Transform, box: NDArray[np.uint8]) -> tuple[float, float]:
    # Least and greatest canvas y of the ink box: the transform's inverse at the box's corners.
    over = 1.0 / (way.xx * way.yy - way.xy * way.yx)
    left, top, right, bottom = box[0] - way.x0, box[1] - way.y0, box[2] - way.x0, box[3] - way.y0
    from_x = min(-way.yx * left, -way.yx * right), max(-way.yx * left, -way.yx * right)
    return (from_x[0] + way.xx * top) * over, (from_x[1] + way.xx * bottom) * over


class _Edges(NamedTuple):
    # Where rows of the canvas enter and leave the ink box, in the fixed point of the packed drawing.
    left: int
    right: int
    near: int
    far: int
    per_x: float
    per_y: float
    per_step: float
    full: float
    width: int


@compiled
def _edges(way: Transform, box: NDArray[np.uint8], xx: int, yx: int) -> _Edges:
    # No axis turns past 30 degrees: along a row x grows (xx > 0), while y may grow or fall.
    top, bottom = (box[1] + BORDER) << 16, (box[3] + BORDER) << 16
    near, far = (top, bottom) if yx >= 0 else (bottom, top)
    width, full = int(UNIT * way.width / SIDE), int(way.width)
    left, right = (box[0] + BORDER) << 16, (box[2] + BORDER) << 16
    return _Edges(left, right, near, far, 1.0 / xx, 1.0 / yx if yx != 0 else 1e30, width / full, float(full), width)


@compiled
def _span(edges: _Edges, x: int, y: int) -> tuple[int, int]:
    # First and last (exclusive) column of a row, whose column 0 of the full canvas reads (x, y), in the ink box.
    enter = min(max((edges.left - x) * edges.per_x, (edges.near - y) * edges.per_y, 0.0), edges.full)
    leave = max(min((edges.right - x) * edges.per_x, (edges.far - y) * edges.per_y, edges.full), -1.0)
    # Column i reads column u of the full canvas with (i + 1/2) step - 1 < u <= (i + 1/2) step.
    start = max(0, math.ceil(enter * edges.per_step - 0.5 - 1e-9))
    return start, min(edges.width, math.ceil((leave + 1.0) * edges.per_step - 0.5 + 1e-9))


@compiled
def _crop(ink: Ink, count: int, first: int, last: int) -> Drawn:
    # Keep what lies before the last row and the last column of ink (`first` and `last` are columns).
    if count == 0:
        return 0, -1, -1
    top = ink[0] >> 8
    width, height, kept = last - first, (ink[count - 1] >> 8) - top, 0
    for k in range(count):
        x, y = (ink[k] & 255) - first, (ink[k] >> 8) - top
        ink[kept] = y << 8 | x
        kept += (x < width) & (y < height)
    return kept, width, height


@compiled
def draw_glyph(
    bits: NDArray[np.uint8], box: NDArray[np.uint8], way: Transform, ink: Ink, table: NDArray[np.int32]
) -> Drawn:
    """Draw one transformed drawing, cropped, into `ink`.

    `bits` (128, 16) and `box` (left, top, right, bottom; exclusive) are a packed drawing; `ink` (96 * 96 + 1) and
    `table` (4, 96) are room to work in. The crop takes the last row and the last column of ink for exclusive bounds, as
    the released code does, so that they are lost: width or height may be 0.
    """
    width, height = int(UNIT * way.width / SIDE), int(UNIT * way.height / SIDE)
    step_y = int(way.height) / height
    columns, rows, along_x, along_y = table[0], table[1], table[2], table[3]
    _resize(width, int(way.width) / width, columns)
    _resize(height, step_y, rows)
    xx, xy, yx, yy = _fixed(way.xx), _fixed(way.xy), _fixed(way.yx), _fixed(way.yy)
    x0 = _fixed(way.x0 + 0.5 * way.xx + 0.5 * way.xy) + (BORDER << 16)
    y0 = _fixed(way.y0 + 0.5 * way.yx + 0.5 * way.yy) + (BORDER << 16)
    for i in range(width):
        along_x[i] = xx * columns[i]
        along_y[i] = yx * columns[i]
    edges = _edges(way, box, xx, yx)
    least_y, most_y = _reach(way, box)
    count, first, last = 0, CANVAS, -1
    for j in range(max(0, int(least_y / step_y) - 1), min(height, int(most_y / step_y) + 2)):
        x, y = xy * rows[j] + x0, yy * rows[j] + y0
        start, stop = _span(edges, x, y)
        before, line = count, j << 8
        for i in range(start, stop):
            gx, gy = (along_x[i] + x) >> 16, (along_y[i] + y) >> 16
            ink[count] = line | i
            count += (bits[gy, gx >> 3] >> (gx & 7)) & 1
        if count > before:
            first, last = min(first, ink[before] & 255), max(last, ink[count - 1] & 255)
    return _crop(ink, count, first, last)
