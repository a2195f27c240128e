"""A convolution merged with its resampling equals the two in a row, odd sizes and gradients included."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.one_shot.resampled_convolution import pooled_convolution, upsampled_convolution


def equal(fast, plain, maps, kernel, bias):
    for way in (fast, plain):
        way.grads = torch.autograd.grad((way(maps, kernel, bias) ** 2).sum(), [maps, kernel, bias])
    torch.testing.assert_close(fast(maps, kernel, bias), plain(maps, kernel, bias), rtol=0, atol=1e-13)
    for a, b in zip(fast.grads, plain.grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [(6, 8), (5, 7), (3, 2), (2, 3)])
def test_both_equal_the_plain_pair_in_float64(size):
    torch.manual_seed(0)
    maps = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(3, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    equal(
        lambda x, k, b: upsampled_convolution(x, k, b),
        lambda x, k, b: F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), k, b, padding=1),
        maps, kernel, bias,
    )  # fmt: skip
    equal(
        lambda x, k, b: pooled_convolution(x, k, b),
        lambda x, k, b: F.avg_pool2d(F.conv2d(x, k, b, padding=1), 2),
        maps, kernel, bias,
    )  # fmt: skip
