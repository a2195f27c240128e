"""Starts: white noise, and fields with the source's covariance nearby."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.texturize.start import CONTRAST, GREY, spectral, white


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def stripes(side: int, period: int) -> NDArray[np.uint8]:
    wave = 128 + 100 * np.sin(2 * np.pi * np.arange(side) / period)
    return np.broadcast_to(wave[:, None], (side, side, 3))[..., :3].astype(np.uint8)


def covariance(field: NDArray[np.floating], lag: int) -> float:
    centred = field - field.mean(axis=(0, 1))
    return float((centred * np.roll(centred, lag, axis=0)).mean())


def test_white_noise_is_white() -> None:
    noise = white(random(), 128)
    assert noise.dtype == np.float32
    assert (noise.mean(), noise.std()) == pytest.approx((GREY, CONTRAST), abs=0.01)
    assert abs(covariance(noise, 1)) < 0.01 * CONTRAST**2 * 3


def test_a_spectral_start_has_the_source_s_covariance_nearby_and_none_far_away() -> None:
    source = stripes(128, 16)
    found = spectral(random(), source, 3.0)
    variance = covariance(source / 255, 0)
    assert found.mean(axis=(0, 1)) == pytest.approx(source.mean(axis=(0, 1)) / 255, abs=0.03)
    for lag in (0, 1, 2):
        near = np.exp(-0.5 * (lag / 1.5) ** 2)
        assert covariance(found, lag) == pytest.approx(near * covariance(source / 255, lag), abs=0.06 * variance)
    assert all(abs(covariance(found, lag)) < 0.06 * variance for lag in (6, 8, 16))


def test_colours_of_a_spectral_start_vary_together_as_the_source_s_do() -> None:
    noise = random().normal(size=(64, 64))
    source = (128 + 40 * np.stack([noise, noise, -noise], axis=-1)).clip(0, 255).astype(np.uint8)
    found = np.corrcoef(spectral(random(), source, 3.0).reshape(-1, 3).T)
    assert found == pytest.approx(np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]]), abs=0.02)


def test_a_flat_source_gives_a_flat_start() -> None:
    found = spectral(random(), np.full((16, 16, 3), 51, np.uint8), 3.0)
    assert found == pytest.approx(np.full((16, 16, 3), 0.2), abs=1e-3)
