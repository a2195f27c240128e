"""Reading the textures of a split from a bank."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.render import textures
from pipeline.render.textures import read_textures
from tests.render.banks import SIDE, noise, write_bank


def test_every_texture_is_of_one_split(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "photos")
    train, test = read_textures(bank, "train"), read_textures(bank, "test")
    assert (train.count, test.count, test.side) == (30, 10, SIDE)
    found = {pixels.tobytes() for pixels in (*train.pixels, *test.pixels)}
    assert found == {pixels.tobytes() for pixels in noise(40)}


def test_a_large_bank_lies_in_a_file_and_reads_the_same_after_its_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = write_bank(tmp_path / "photos")
    kept = read_textures(bank, "train")
    monkeypatch.setattr(textures, "IN_MEMORY", 1000)
    mapped = read_textures(bank, "train")
    assert [*kept.blocks(25)] == [slice(0, 25)]
    assert [*mapped.blocks(25)] == [slice(0, 10), slice(10, 20), slice(20, 25)]
    assert np.array_equal(mapped.pixels, kept.pixels)


def test_mistakes_are_named(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "photos")
    with pytest.raises(UserError, match="no split 'tset'; did you mean 'test'"):
        read_textures(bank, "tset")
    shutil.rmtree(bank / "textures" / "c" / "1")
    with pytest.raises(UserError, match=r"photos\.zarr is cut short .*: delete it and run snakemake"):
        read_textures(bank, "train")
    with pytest.raises(UserError, match=r"nothing\.zarr is missing"):
        read_textures(tmp_path / "nothing.zarr", "train")
