"""Pictures of the sample's twenty classes: five shapes, each in four textures, on a mottled ground, in random colours.

Class 5f + j + 1 has shape j in texture (f + j) mod 4, so that every fold holds all shapes and all textures, and no fold
a class of another. Colours say nothing of the class. All is counted in whole numbers of 1/256 px.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.seeds import generator

CLASSES = 20
SIZES = ((80, 64), (64, 80), (72, 64), (76, 76))
"""Width and height of pictures."""
VOID = 255
_UNIT = 256
_SHAPES, _TEXTURES = 5, 4

Whole = NDArray[np.int64]
Mask = NDArray[np.uint8]


class Scene(NamedTuple):
    """A picture and who is in it."""

    image: NDArray[np.uint8]
    """(H, W, 3)."""
    mask: Mask
    """(H, W), classes 1 to 20, no void."""


def draw_scene(seed: int, name: str, cls: int) -> Scene:
    """The picture `name`, which shows class `cls` and, half the time, a smaller object of any other class."""
    random = generator(seed, "glyphs", "voc2012", name)
    width, height = SIZES[int(random.integers(len(SIZES)))]
    image, mask = _ground(random, width, height), np.zeros((height, width), np.uint8)
    side = int(random.integers(2))
    if random.integers(2):
        other = 1 + int(random.integers(CLASSES - 1))
        _draw(random, image, mask, other + (other >= cls), 1 - side, (11, 15))
    _draw(random, image, mask, cls, side, (16, 24))
    return Scene(image, mask)


def with_void(mask: Mask) -> Mask:
    """The mask with a band of void, 2 pixels wide, where a value meets another, as VOC's annotators left it."""
    found = mask.copy()
    for before, after in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        differs = mask[before] != mask[after]
        found[before][differs] = VOID
        found[after][differs] = VOID
    return found


def _ground(random: Generator, width: int, height: int) -> NDArray[np.uint8]:
    """A colour that runs into another, with grains of 4 pixels."""
    corners = random.integers(40, 216, size=(2, 3))
    x = np.arange(width, dtype=np.int64)[None, :, None]
    slope = corners[0] + (corners[1] - corners[0]) * x // width
    grains = random.integers(-12, 13, size=(-(-height // 4), -(-width // 4), 1))
    mottled = slope + grains.repeat(4, axis=0).repeat(4, axis=1)[:height, :width]
    ground: NDArray[np.uint8] = mottled.clip(0, 255).astype(np.uint8)
    return ground


def _draw(random: Generator, image: NDArray[np.uint8], mask: Mask, cls: int, side: int, radii: tuple[int, int]) -> None:
    """Put an object of class `cls` into one half (`side`) of the picture, over what is there."""
    height, width = mask.shape
    radius = int(random.integers(radii[0], radii[1] + 1))
    along, across = max(width, height), min(width, height)
    first = int(random.integers(along // 4, along * 3 // 8 + 1))
    far = along - 1 - first if side else first
    near = int(random.integers(across * 3 // 8, across * 5 // 8 + 1))
    column, row = (far, near) if width >= height else (near, far)
    u, v = _turned(random, height, width, row, column)
    shape, fold = (cls - 1) % _SHAPES, (cls - 1) // _SHAPES
    inside = _inside(shape, u, v, radius * _UNIT)
    bright = _textured(random, (fold + shape) % _TEXTURES, u, v)
    dark = random.integers(10, 101, size=3)
    colours = np.stack([dark, dark + random.integers(90, 151, size=3)])[random.permutation(2)]
    image[inside] = colours[bright[inside].astype(np.intp)].astype(np.uint8)
    mask[inside] = cls


def _turned(random: Generator, height: int, width: int, row: int, column: int) -> tuple[Whole, Whole]:
    """Coordinates (H, W) from a centre, turned by any angle, in 1/256 px."""
    angle = math.radians(int(random.integers(360)))
    cosine, sine = round(_UNIT * math.cos(angle)), round(_UNIT * math.sin(angle))
    y, x = np.mgrid[:height, :width].astype(np.int64) - np.array([row, column])[:, None, None]
    return x * cosine + y * sine, y * cosine - x * sine


def _inside(shape: int, u: Whole, v: Whole, radius: int) -> NDArray[np.bool_]:
    """Disc, square, triangle, cross or ring of about the given radius."""
    distance, longer, shorter = u**2 + v**2, np.maximum(abs(u), abs(v)), np.minimum(abs(u), abs(v))
    inside: tuple[NDArray[np.bool_], ...] = (
        distance <= radius**2,
        longer * 8 <= radius * 7,
        (v * 2 <= radius) & (abs(u) * 7 <= (v + radius) * 4),
        (longer <= radius) & (shorter * 3 <= radius),
        (distance <= radius**2) & (distance * 4 >= radius**2),
    )
    return inside[shape]


def _textured(random: Generator, texture: int, u: Whole, v: Whole) -> NDArray[np.bool_]:
    """Stripes, a chequered board, dots or speckles, fixed to the object; where it is the brighter colour."""
    if texture == 0:
        phase = u // (3 * _UNIT)
    elif texture == 1:
        phase = u // (4 * _UNIT) + v // (4 * _UNIT)
    elif texture == 2:
        cell = 7 * _UNIT
        phase = ((u % cell - cell // 2) ** 2 + (v % cell - cell // 2) ** 2) // (2 * _UNIT) ** 2
        phase = np.minimum(phase, 1)
    else:
        phase = random.integers(2, size=u.shape)
    bright: NDArray[np.bool_] = phase % 2 == 0
    return bright
