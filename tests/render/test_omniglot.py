"""Reading Omniglot, packed and unpacked, whole and damaged."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.render.cluttered_omniglot import renderer
from pipeline.render.omniglot import read_omniglot


@pytest.fixture
def copy(omniglot: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(omniglot, tmp_path / "omniglot"))


def test_archives_and_folders_hold_the_same(omniglot: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "images_evaluation"), "zip", omniglot, "images_evaluation")
    packed, unpacked = read_omniglot(tmp_path, "evaluation"), read_omniglot(omniglot, "evaluation")
    assert packed.alphabets == unpacked.alphabets
    assert packed.size == 8
    glyphs = packed.read(slice(1, 3), range(10, 20))
    assert glyphs.shape == (4, 10, 105, 105)
    assert np.array_equal(glyphs, unpacked.read(slice(1, 3), range(10, 20)))
    first = Image.open(omniglot / "images_evaluation/D/character01/0001_11.png")
    assert np.array_equal(glyphs[0, 0], 1 - np.asarray(first).astype(np.uint8))


def test_a_missing_drawing_names_its_character(copy: Path) -> None:
    (copy / "images_background/A/character02/0001_07.png").unlink()
    with pytest.raises(UserError, match=r"A/character02 .* has 19 drawings instead of 20"):
        read_omniglot(copy, "background")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither images_background/ nor images_background\.zip"):
        read_omniglot(tmp_path, "background")
    (tmp_path / "images_background").mkdir()
    with pytest.raises(UserError, match="holds no drawings"):
        read_omniglot(tmp_path, "background")


def test_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "images_background.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(UserError, match=r"images_background\.zip is damaged"):
        read_omniglot(tmp_path, "background")


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (Image.new("1", (100, 105)), "100x105 pixels instead of 105x105"),
        (Image.new("1", (105, 105), 1), "has no ink"),
        (None, "no picture"),
    ],
)
def test_a_damaged_drawing_is_named(copy: Path, picture: Image.Image | None, message: str) -> None:
    file = copy / "images_background/A/character01/0001_01.png"
    if picture is None:
        file.write_bytes(b"not a picture")
    else:
        picture.save(file)
    with pytest.raises(UserError, match=rf"character01/0001_01\.png .*{message}"):
        read_omniglot(copy, "background").read(slice(None), range(10))


def test_one_alphabet_cannot_be_halved(copy: Path) -> None:
    for alphabet in "DEF":
        shutil.rmtree(copy / "images_evaluation" / alphabet)
    with pytest.raises(UserError, match="cannot be cut in halves"):
        renderer(split="val_one_shot", sources={"omniglot": copy}, characters=4)
