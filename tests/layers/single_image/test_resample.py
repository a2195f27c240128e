"""MATLAB-like bicubic resampling equals a plain double loop, and PyTorch's antialiased one away from borders."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.single_image.resample import cubic, resample

SIZES = [(9, 14), (13, 20), (26, 40), (17, 40), (5, 61)]


def plain_line(line, length):
    """One line, pixel by pixel, as MATLAB's documentation of imresize tells it; mirrored at the ends, edge included."""
    scale = length / len(line)
    stretch = max(1, 1 / scale)
    made = []
    for target in range(length):
        centre = (target + 0.5) / scale - 0.5
        total = weight = 0.0
        for source in range(math.floor(centre - 2 * stretch), math.ceil(centre + 2 * stretch) + 1):
            share = float(cubic(np.array((centre - source) / stretch)))
            mirrored = source % (2 * len(line))
            total += share * line[min(mirrored, 2 * len(line) - 1 - mirrored)]
            weight += share
        made.append(total / weight)
    return np.array(made)


def image(height=13, width=20, seed=0):
    """In [-0.5, 0.5], so that nothing overshoots and is clamped."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) - 0.5


@pytest.mark.parametrize("size", SIZES)
def test_it_equals_the_plain_double_loop(size):
    wanted = np.apply_along_axis(plain_line, 2, image().numpy().astype(float), size[0])
    wanted = np.apply_along_axis(plain_line, 3, wanted, size[1])
    np.testing.assert_allclose(resample(image(), size).numpy(), wanted, atol=1e-6)


def test_inside_it_equals_pytorchs_antialiased_bicubic():
    picture = image(60, 80)
    wanted = F.interpolate(picture, (24, 32), mode="bicubic", antialias=True)
    found = resample(picture, (24, 32))
    torch.testing.assert_close(found[..., 3:-3, 3:-3], wanted[..., 3:-3, 3:-3], atol=1e-6, rtol=0)


def test_the_kernel_is_keys_cubic():
    np.testing.assert_allclose(cubic(np.array([0, 1, 2, 3, 0.5, 1.5, -1.5])), [1, 0, 0, 0, 0.5625, -0.0625, -0.0625])


@pytest.mark.parametrize("size", SIZES)
def test_a_constant_stays_constant_and_overshoot_is_clamped(size):
    torch.testing.assert_close(resample(torch.full((1, 3, 13, 20), 0.7), size), torch.full((1, 3, *size), 0.7))
    checks = torch.ones(1, 1, 13, 20)
    checks[..., ::2, ::3] = -1
    assert resample(checks, size).abs().max() <= 1


def test_the_same_size_is_the_same_image():
    assert torch.equal(resample(image(), (13, 20)), image())
