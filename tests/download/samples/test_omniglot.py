"""The built-in Omniglot: the official layout, real statistics, and the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.download.samples.omniglot import generate
from pipeline.download.samples.strokes import UNIT, ink, smooth
from pipeline.errors import UserError
from pipeline.manifest import digest_tree

SMALL = {"background": 1, "evaluation": 2, "characters": 2}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty characters."""
    folder = tmp_path_factory.mktemp("sample")
    generate(folder, {"background": 3, "evaluation": 2, "characters": 6}, 0)
    return folder


def test_the_layout_is_omniglot_s(sample: Path) -> None:
    names = sorted(path.relative_to(sample).as_posix() for path in sample.rglob("*.png"))
    assert len(names) == 30 * 20
    assert names[0] == "images_background/Sample_01/character01/0001_01.png"
    assert names[-1] == "images_evaluation/Sample_05/character06/0030_20.png"


def test_pictures_look_like_omniglot_s(sample: Path) -> None:
    drawn = []
    for path in sorted(sample.rglob("*.png")):
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == ((105, 105), "1")
            drawn.append(~np.asarray(picture))
    boxes = np.array([[np.ptp(axis) + 1 for axis in np.nonzero(picture)] for picture in drawn])
    assert np.mean(drawn) == pytest.approx(0.08, abs=0.015)
    assert boxes.mean(axis=0) == pytest.approx([60, 60], abs=8)


def test_drawers_differ_and_characters_differ_more(sample: Path) -> None:
    pictures = {path: np.asarray(Image.open(path)) for path in sorted(sample.glob("*/Sample_01/*/*.png"))}
    assert len({picture.tobytes() for picture in pictures.values()}) == len(pictures)


def test_the_same_parameters_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        generate(tmp_path / name, SMALL, seed)
    digests = [digest_tree(tmp_path / name) for name in "abc"]
    assert digests[0] == digests[1] != digests[2]


def test_the_bytes_are_those_of_every_other_machine(tmp_path: Path) -> None:
    generate(tmp_path, SMALL, 0)
    assert digest_tree(tmp_path) == "sha256:2b8b93315ba998376170e5bece9828970decbb775a7ab53c14f96369e9a51446"


def test_more_characters_keep_those_of_the_smaller_sample(sample: Path, tmp_path: Path) -> None:
    generate(tmp_path, SMALL, 0)
    for picture in ("character01/0001_05.png", "character02/0002_20.png"):
        path = f"images_background/Sample_01/{picture}"
        assert (sample / path).read_bytes() == (tmp_path / path).read_bytes()


def test_a_curve_runs_from_the_first_to_the_last_control_point() -> None:
    controls = np.array([[0, 0], [640, 0], [640, 640]])
    curve = smooth(controls)
    assert curve[0].tolist() == [0, 0]
    assert np.abs(curve[-1] - controls[-1]).max() <= 1
    assert smooth(np.array([[0, 0], [640, 0]]))[:, 1].tolist() == [0] * 72


def test_a_pen_leaves_a_disc_and_nothing_outside_the_picture() -> None:
    centre = np.array([[10 * UNIT + UNIT // 2] * 2])
    assert ink([centre], 21, 3 * UNIT).sum() == 9  # centres within 1.5 px: (0, 0), (0, 1) and (1, 1)
    assert ink([centre - 10 * UNIT], 21, 3 * UNIT).sum() == 4


def test_a_misspelt_parameter_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown key 'charakters'; did you mean 'characters'"):
        generate(tmp_path, {"charakters": 1}, 0)
