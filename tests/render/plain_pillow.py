"""The plain way to draw cluttered Omniglot: Pillow, and single draws from NumPy's RandomState. Slow and easy to read."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image

SIDE, UNIT, SCENE = 105, 32, 96
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Pool:
    """A split's drawings as 1-bit images: character -> drawer."""

    images: list[list[Image.Image]]
    first_drawer: int = 0

    @classmethod
    def of(cls, glyphs: NDArray[np.uint8], first_drawer: int = 0) -> "Pool":
        """From glyphs (C, D, 105, 105) of 0 and 1."""
        return cls([[Image.fromarray(glyph.astype(bool)) for glyph in row] for row in glyphs], first_drawer)


def transform(glyph: Image.Image, phi: float, theta: float, a: float, b: float) -> Image.Image:
    """The whole canvas, before the crop: affine transform, then resize, both nearest; angles in degrees."""
    along, across = math.radians(phi + theta), math.radians(phi - theta)
    matrix = np.array([[a * math.cos(along), b * math.sin(across)], [-a * math.sin(along), b * math.cos(across)]])
    corners = matrix @ np.array([[0, SIDE, 0, SIDE], [0, 0, SIDE, SIDE]])
    least, extent = corners.min(axis=1), np.ptp(corners, axis=1)
    back = np.linalg.inv(matrix)
    offset = back @ least
    full = (int(extent[0]), int(extent[1]))
    small = (int(UNIT * extent[0] / SIDE), int(UNIT * extent[1] / SIDE))
    data = (*back[0], offset[0], *back[1], offset[1])
    drawn = glyph.transform(full, Image.Transform.AFFINE, data, Image.Resampling.NEAREST)
    return drawn.resize(small, Image.Resampling.NEAREST)


def crop(image: Image.Image) -> Image.Image | None:
    """The ink without its last row and column; None where there is no ink. May have no width or no height."""
    box = image.getbbox()
    return None if box is None else image.crop((box[0], box[1], box[2] - 1, box[3] - 1))


def attempt(random: RandomState, glyph: Image.Image, base: float) -> tuple[Image.Image | None, tuple[int, ...]]:
    """Transform a drawing at random and choose its colour; None where it is to be drawn again."""
    phi, theta = random.uniform(-20, 20), random.uniform(-10, 10)
    a, b = base ** random.uniform(-1, 1), base ** random.uniform(-1, 1)
    ink = crop(transform(glyph, phi, theta, a, b))
    if ink is None:
        return None, ()
    colour = tuple(int(255 * value) for value in random.random_sample(3))
    return (ink if ink.width and ink.height else None), colour


def pick(random: RandomState, pool: Pool) -> tuple[int, int]:
    """A random character and drawer."""
    return random.randint(len(pool.images)), random.randint(len(pool.images[0]))


def place(random: RandomState, ink: Image.Image) -> tuple[int, int]:
    """A random place where all of the drawing is in the scene."""
    return random.randint(SCENE - ink.width + 1), random.randint(SCENE - ink.height + 1)


def scatter(random: RandomState, pool: Pool, scene: Image.Image, count: int) -> None:
    """Paste `count` random characters."""
    for _ in range(count):
        ink = None
        while ink is None:
            character, drawer = pick(random, pool)
            ink, colour = attempt(random, pool.images[character][drawer], 2)
        scene.paste(colour, place(random, ink), ink)


def paste(random: RandomState, glyph: Image.Image, scene: Image.Image, mask: Image.Image, base: float) -> None:
    """Paste one drawing, at a random place in a scene and centred in a support (`base` 1)."""
    ink = None
    while ink is None:
        ink, colour = attempt(random, glyph, base)
    place_at = place(random, ink) if base == 2 else ((UNIT - ink.width) // 2, (UNIT - ink.height) // 2)
    scene.paste(colour, place_at, ink)
    mask.paste(1, place_at, ink)


def sample(
    random: RandomState, pool: Pool, characters: int, occluders: int = 0, empty: float = 0.0
) -> tuple[Image.Image, Image.Image, Image.Image, Image.Image]:
    """Support, its ink, scene, the target's ink in it."""
    scene, scene_mask = Image.new("RGB", (SCENE, SCENE)), Image.new("1", (SCENE, SCENE))
    support, support_mask = Image.new("RGB", (UNIT, UNIT)), Image.new("1", (UNIT, UNIT))
    character, drawer = pick(random, pool)
    target = pool.images[character][drawer]
    scatter(random, pool, scene, characters - 1)
    if random.random_sample() < empty:
        scatter(random, pool, scene, 1)
    else:
        paste(random, target, scene, scene_mask, 2)
    scatter(random, pool, scene, occluders)
    paste(random, target, support, support_mask, 1)
    return support, support_mask, scene, scene_mask


def job(
    seed: int, count: int, pool: Pool, characters: int, occluders: int = 0, empty: float = 0.0
) -> dict[str, NDArray[np.uint8]]:
    """The first `count` samples of a job, as a store holds them."""
    random = RandomState(seed)
    names = ("support_images", "support_masks", "query_images", "query_masks")
    found: dict[str, list[NDArray[np.uint8]]] = {name: [] for name in names}
    for _ in range(count):
        for name, image in zip(names, sample(random, pool, characters, occluders, empty), strict=True):
            array = np.asarray(image)
            found[name].append(np.packbits(array) if image.mode == "1" else array)
    return {name: np.stack(arrays)[:, None] for name, arrays in found.items()}
