"""Which textures and characters are for testing alone."""

import tarfile
from pathlib import Path

import pytest

import pipeline.render
from pipeline.render.held_out import held_out, split_rows
from pipeline.render.omniglot import read_omniglot

NAMES = [f"category{i % 47}/photo_{i:04}.jpg" for i in range(5640)]


def chosen(names: list[str]) -> set[str]:
    return {name for name, held in zip(names, held_out(names), strict=True) if held}


@pytest.mark.parametrize(("there", "held"), [(5640, 100), (5000, 100), (401, 100), (400, 100), (40, 10), (5, 2)])
def test_a_hundred_are_held_out_but_no_more_than_a_quarter(there: int, held: int) -> None:
    assert len(chosen(NAMES[:there])) == held


def test_what_the_whole_source_holds_out_its_parts_do() -> None:
    part = NAMES[1000:1400]
    assert chosen(NAMES) & set(part) <= chosen(part)
    assert chosen(part) == chosen(part[::-1])


def test_training_and_testing_share_nothing() -> None:
    assert sorted(split_rows(NAMES, "train") + split_rows(NAMES, "test")) == list(range(5640))


@pytest.mark.mirror
def test_the_textures_of_the_mirror(mirror: Path) -> None:
    with tarfile.open(mirror / "dtd" / "dtd-subset.tar.gz") as archive:
        names = ["/".join(m.name.split("/")[-2:]) for m in archive if m.name.endswith(".jpg")]
    assert sorted(chosen(names)) == (Path(__file__).parent / "held_out_textures.txt").read_text().split()


@pytest.mark.mirror
def test_the_characters_of_omniglot(mirror: Path) -> None:
    names = []
    for part in ("background", "evaluation"):
        alphabets = read_omniglot(mirror / "omniglot", part).alphabets
        names += [name.rpartition("/")[0] for alphabet in alphabets for name, *_ in alphabet]
    listed = Path(pipeline.render.__file__).with_name("held_out_characters.txt").read_text().split()
    assert sorted(chosen(names)) == listed
