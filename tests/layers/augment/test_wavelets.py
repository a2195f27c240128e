"""Symlets: what defines them; doubling and halving undo each other; bands add up and lie where they should."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import convolve1d

from pipeline.layers.augment.wavelets import PLACE, SYMLET_2, SYMLET_6, amplify, bands, double, halve

CPU = torch.device("cpu")


@pytest.mark.parametrize(("taps", "order"), [(SYMLET_2, 2), (SYMLET_6, 6)])
def test_symlets_are_orthonormal_wavelets_with_vanishing_moments(taps: tuple[float, ...], order: int):
    h, k = np.array(taps), np.arange(len(taps))
    assert len(h) == 2 * order
    assert h.sum() == pytest.approx(math.sqrt(2), abs=1e-11)
    for shift in range(order):
        assert h[2 * shift :] @ h[: len(h) - 2 * shift] == pytest.approx(float(shift == 0), abs=1e-11)
    for moment in range(order):
        assert ((-1.0) ** k * (k / len(k)) ** moment) @ h == pytest.approx(0, abs=1e-11)


def test_symlet_2_has_a_closed_form():
    root = math.sqrt(3)
    assert np.allclose(SYMLET_2, np.array([1 - root, 3 - root, 3 + root, 1 + root]) / (4 * math.sqrt(2)), atol=1e-12)


@pytest.mark.parametrize("size", [(2, 3), (12, 20)])
def test_halving_undoes_doubling(size: tuple[int, int]):
    torch.manual_seed(0)
    images = torch.randn(2, 3, *size)
    torch.testing.assert_close(halve(double(images)[..., 1:-1, 1:-1]), images, atol=2e-6, rtol=0)


def test_a_ramp_is_doubled_to_a_ramp_at_the_stated_places():
    ramp = torch.arange(20.0).expand(1, 1, 20, 20)
    made = double(ramp)[0, 0, 10, 12:-12]  # doubled pixels 6 to 33, which no reflection touches
    torch.testing.assert_close(made, (torch.arange(6, 34) - PLACE) / 2, atol=1e-5, rtol=0)


def test_bands_add_up_to_the_identity_and_end_at_octaves():
    filters = bands(CPU)
    assert filters.shape == (4, 43)
    torch.testing.assert_close(filters.sum(0), F.one_hot(torch.tensor(21), 43).float(), atol=1e-6, rtol=0)
    assert torch.equal(filters, filters.flip(1))
    at = torch.tensor([0, math.pi / 8, math.pi / 4, math.pi / 2, math.pi])
    response = filters @ torch.cos(at * (torch.arange(43) - 21)[:, None])
    torch.testing.assert_close(response[:, 0], torch.tensor([1.0, 0, 0, 0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(response[:, 4], torch.tensor([0, 0, 0, 1.0]), atol=1e-6, rtol=0)
    for band, edge in ((1, 1), (2, 2), (3, 3)):  # half of what reaches an edge goes to each side
        assert response[band, edge] / response[: band + 1, edge].sum() == pytest.approx(0.5, abs=1e-5)


def test_amplifying_equals_plain_convolution_with_each_samples_filter():
    torch.manual_seed(0)
    images, gains = torch.randn(2, 3, 10, 14), torch.rand(2, 4) * 3
    made = amplify(images, gains).numpy()
    for sample in range(2):
        taps = (gains[sample] @ bands(CPU)).numpy().astype(np.float64)
        for channel in range(3):
            plain = images[sample, channel].numpy().astype(np.float64)
            for axis in (0, 1):
                plain = convolve1d(plain, taps, axis, mode="mirror")
            assert np.allclose(made[sample, channel], plain, atol=1e-5)


def test_equal_gains_scale_and_gains_of_one_keep():
    images = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(amplify(images, torch.ones(1, 4)), images, atol=1e-6, rtol=0)
    torch.testing.assert_close(amplify(images, torch.full((1, 4), 2.0)), images * 4, atol=1e-5, rtol=0)


@pytest.mark.parametrize("octave", [1, 2, 3])
def test_a_lower_level_is_amplified_as_the_full_image_is(octave: int):
    places = torch.arange(64) + 0.5
    waves = sum(
        torch.cos(math.pi * k / 64 * places)[:, None] * torch.cos(math.pi * k / 64 * places) for k in (0, 1, 2, 3)
    )
    full, gains = waves[None, None], torch.tensor([[0.6, 1.8, 0.4, 1.5]])
    lower = F.avg_pool2d(full, 2**octave)
    expected = F.avg_pool2d(amplify(full, gains), 2**octave)
    error = (amplify(lower, gains, octave) - expected).abs().mean()
    assert error < 0.1 * (lower - expected).abs().mean()
    assert error < 0.3 * (amplify(lower, gains) - expected).abs().mean()
