"""Drawings made up for the tests, as arrays and in Omniglot's own layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.manifest import Manifest, write_json

Strokes = Callable[[int, int], NDArray[np.uint8]]


def scribble(random: np.random.Generator) -> Image.Image:
    """One to three strokes of black ink on white paper, of any size, now and then a dot."""
    image = Image.new("1", (105, 105), 1)
    pen = ImageDraw.Draw(image)
    for _ in range(random.integers(1, 4)):
        points = [tuple(point) for point in random.integers(0, 105, (random.integers(2, 6), 2)).tolist()]
        pen.line(points, fill=0, width=int(random.integers(1, 5)))
    return image


@pytest.fixture(scope="session")
def strokes() -> Strokes:
    """Drawings (characters, drawers, 105, 105) of 0 and 1."""

    def make(characters: int, drawers: int) -> NDArray[np.uint8]:
        random = np.random.default_rng(characters * 100 + drawers)
        drawn = [~np.asarray(scribble(random)) for _ in range(characters * drawers)]
        return np.stack(drawn).astype(np.uint8).reshape(characters, drawers, 105, 105)

    return make


@pytest.fixture(scope="session")
def omniglot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Omniglot: 2 background and 4 evaluation alphabets of 2 characters, unpacked."""
    folder = tmp_path_factory.mktemp("raw") / "omniglot"
    random = np.random.default_rng(1)
    for part, alphabets in (("background", "AB"), ("evaluation", "CDEF")):
        for alphabet in alphabets:
            for character in ("character01", "character02"):
                place = folder / f"images_{part}" / alphabet / character
                place.mkdir(parents=True)
                for drawer in range(20):
                    scribble(random).save(place / f"0001_{drawer + 1:02}.png")
    return folder


@pytest.fixture
def project(tmp_path: Path, omniglot: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the small Omniglot as a downloaded source, which is where the test then runs."""
    raw = tmp_path / "data" / "raw" / "sample"
    raw.mkdir(parents=True)
    (raw / "omniglot").symlink_to(omniglot)
    manifest = Manifest(kind="source", digest="sha256:0", recipe={}, code="sha256:0", complete=False)
    write_json(raw / "omniglot.json", manifest.model_dump())
    monkeypatch.chdir(tmp_path)
    return tmp_path
