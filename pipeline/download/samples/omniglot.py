"""A sample of stroke characters in Omniglot's layout: alphabets, characters, and 20 drawers with a hand of their own.

`images_background/<Alphabet>/characterNN/NNNN_DD.png`, 105 x 105, mode 1, dark ink on white, as in Lake et al. 2015.
Ink covers about 8 % of a picture and its box is about 60 x 60 px, as in the real set.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from PIL import Image
from pydantic import Field

from pipeline.download.samples.strokes import UNIT, Points, ink, smooth
from pipeline.job import Facts, parse
from pipeline.seeds import generator

SIZE = 105
DRAWERS = 20
PEN = 9 * UNIT // 2
"""Width of a stroke."""
_CELL = 256
_LATTICE = np.stack(np.meshgrid(np.arange(3), np.arange(4)), axis=-1).reshape(-1, 2).astype(np.int64)
"""Characters are designed on 3 x 4 points, `_CELL` apart, then drawn at their own width and height."""


class Parameters(Facts):
    """How much to generate."""

    background: Annotated[int, Field(ge=1, le=50)] = 6
    """Alphabets of the background set."""
    evaluation: Annotated[int, Field(ge=2, le=50)] = 4
    """Alphabets of the evaluation set; its first half serves validation, its second half the test."""
    characters: Annotated[int, Field(ge=1, le=99)] = 10
    """Characters of each alphabet."""


def generate(target: Path, parameters: dict[str, Any], seed: int) -> None:
    """Write the sample below `target`: the same pictures for the same parameters and seed, byte for byte."""
    wanted = parse(Parameters, parameters, "sample of omniglot")
    number = 0
    for alphabet in range(wanted.background + wanted.evaluation):
        subset = "images_background" if alphabet < wanted.background else "images_evaluation"
        hands = [_hand(generator(seed, "glyphs", "omniglot", alphabet, "drawer", d)) for d in range(DRAWERS)]
        for character in range(wanted.characters):
            number += 1
            folder = target / subset / f"Sample_{alphabet + 1:02d}" / f"character{character + 1:02d}"
            folder.mkdir(parents=True)
            design = _design(generator(seed, "glyphs", "omniglot", alphabet, character))
            for drawer, hand in enumerate(hands):
                moves = generator(seed, "glyphs", "omniglot", alphabet, character, drawer)
                _save(_draw(design, hand, moves), folder / f"{number:04d}_{drawer + 1:02d}.png")


def _design(random: Generator) -> list[Points]:
    """Strokes of one character as control points in pixels/64 around the picture's centre.

    Strokes run between neighbouring points of an uneven lattice, never twice along the same way, as in writing.
    """
    lattice = _LATTICE * _CELL + random.integers(-_CELL // 4, _CELL // 4 + 1, size=_LATTICE.shape)
    strokes: list[Points] = []
    ways: set[tuple[int, int]] = set()
    nodes: list[int] = []
    for _ in range(int(random.choice([1, 2, 2, 3, 3, 4]))):
        start = int(random.choice(nodes)) if nodes and random.integers(3) else int(random.integers(len(_LATTICE)))
        walk = _walk(random, start, ways)
        nodes += walk
        corners = lattice[walk]
        # Twice the same control point makes a sharper corner of what would be a bend.
        strokes.append(corners if random.integers(3) else np.repeat(corners, 2, axis=0))
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    box = random.integers((48 * UNIT, 50 * UNIT), (80 * UNIT, 82 * UNIT), size=2)
    extent = np.maximum(high - low, 2 * _CELL)  # a flat character stays flat
    return [(2 * stroke - low - high) * box // (2 * extent) for stroke in strokes]


def _walk(random: Generator, start: int, ways: set[tuple[int, int]]) -> list[int]:
    """Two to six lattice points, each a neighbour of the last; `ways` remembers what is taken."""
    walk = [start]
    for _ in range(int(random.choice([1, 2, 3, 4, 4, 5]))):
        here = walk[-1]
        near = np.abs(_LATTICE - _LATTICE[here]).max(axis=1) == 1
        free = [int(n) for n in np.flatnonzero(near) if n not in walk and (min(here, n), max(here, n)) not in ways]
        if not free:
            break
        walk.append(int(random.choice(free)))
        ways.add((min(here, walk[-1]), max(here, walk[-1])))
    return walk


def _hand(random: Generator) -> Points:
    """A drawer's habit: a 2 x 2 matrix in 1/256 (size, proportion, slant) that all characters of an alphabet share."""
    size = int(random.integers(205, 285))
    width, height = (size + random.integers(-26, 27, size=2)).tolist()
    slant, tilt = int(random.integers(-50, 51)), int(random.integers(-20, 21))
    return np.array([[width, slant], [tilt, height]], dtype=np.int64)


def _draw(design: list[Points], hand: Points, random: Generator) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """One drawing: every stroke shifted a little, every control point a little more, then the hand's habit."""
    place = SIZE * UNIT // 2 + random.integers(-7 * UNIT, 7 * UNIT + 1, size=2)
    curves = []
    for stroke in design:
        moved = stroke + random.integers(-2 * UNIT, 2 * UNIT + 1, size=2)
        moved = moved + random.integers(-4 * UNIT, 4 * UNIT + 1, size=stroke.shape)
        curves.append(smooth(moved @ hand.T // 256 + place))
    return ink(curves, SIZE, diameter=PEN)


def _save(picture: np.ndarray[Any, np.dtype[np.bool_]], path: Path) -> None:
    # Stored without compression: zlib and its fast relatives differ in what they compress to, not in what they store.
    Image.fromarray(~picture).save(path, format="PNG", compress_level=0)
