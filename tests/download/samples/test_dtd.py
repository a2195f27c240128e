"""The built-in DTD: the official layout, textures that colour cannot tell apart, and the same bytes each time."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.download.samples.dtd import WAVELENGTHS, generate
from pipeline.errors import UserError
from pipeline.manifest import digest_tree

SMALL = {"categories": 4, "textures": 5, "side": 64}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty textures."""
    folder = tmp_path_factory.mktemp("sample")
    generate(folder, SMALL, 0)
    return folder


def pictures(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.rglob("*.png"))])


def test_the_layout_is_dtd_s(sample: Path) -> None:
    names = sorted(path.relative_to(sample).as_posix() for path in sample.rglob("*") if path.is_file())
    assert len(names) == 20
    assert (names[0], names[-1]) == ("images/grain_000/grain_000_0001.png", "images/grain_135/grain_135_0005.png")
    assert pictures(sample).shape == (20, 64, 64, 3)


def test_all_textures_share_mean_colour_and_histogram(sample: Path) -> None:
    channels = pictures(sample).reshape(20, -1, 3)
    ordered = np.sort(channels, axis=1)
    assert (ordered == ordered[:1, :, :1]).all()
    assert ordered.mean() == pytest.approx(128, abs=0.5)
    covariances = np.stack([np.cov(texture.T) for texture in channels])
    assert np.abs(covariances - covariances.mean(axis=0)).max() < 0.1 * covariances.max()


def test_a_texture_has_one_wavelength_and_one_direction(sample: Path) -> None:
    for number, texture in enumerate(pictures(sample)):
        spectrum = np.abs(np.fft.fft2(texture[..., 2] - 128.0)) ** 2
        y, x = np.unravel_index(np.argmax(spectrum), spectrum.shape)
        frequency = np.array([np.fft.fftfreq(64)[x], np.fft.fftfreq(64)[y]])
        assert 1 / np.linalg.norm(frequency) == pytest.approx(WAVELENGTHS[number % 5], rel=0.35)
        angle = np.degrees(np.arctan2(frequency[1], frequency[0])) - 45 * (number // 5)
        assert abs((angle + 90) % 180 - 90) < 20


def test_the_same_parameters_and_seed_give_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        generate(tmp_path / name, SMALL, seed)
    assert digest_tree(tmp_path / "same") == digest_tree(sample) != digest_tree(tmp_path / "other")


def test_the_bytes_are_those_of_every_other_machine(sample: Path) -> None:
    assert digest_tree(sample) == "sha256:fbba8be215676e67fab68dacfcb6f41fe13c66ee750f7aae85eb329c4f785e67"


def test_a_misspelt_parameter_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown key 'textues'; did you mean 'textures'"):
        generate(tmp_path, {"textues": 1}, 0)
