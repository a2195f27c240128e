"""A 3x3 convolution and a resampling by two as one convolution of 4x4, with 16/36 of the products.

Exact, up to rounding: neighbours that share a value, or a mean, share the sum of their taps. Along each axis the taps
(a, b, c) become (a, a+b, b+c, c), halved for the pooling, mirrored for the transposed convolution.
"""

import torch.nn.functional as F
from torch import Tensor


def upsampled_convolution(maps: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Enlarge maps (B, i, H, W) by two to the nearest, then convolve with `kernel` (o, i, 3, 3), padding 1.

    Returns (B, o, 2H, 2W).
    """
    merged = _summed(kernel.flip(-2, -1)).transpose(0, 1)
    return F.conv_transpose2d(maps, merged, bias, stride=2, padding=1)


def pooled_convolution(maps: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve maps (B, i, H, W) with `kernel` (o, i, 3, 3), padding 1, then average 2x2; (B, o, H // 2, W // 2)."""
    return F.conv2d(maps, _summed(kernel) / 4, bias, stride=2, padding=1)


def _summed(kernel: Tensor) -> Tensor:
    """The sum of each tap and its three neighbours above and before: (.., 3, 3) -> (.., 4, 4)."""
    wide = F.pad(kernel, (1, 1, 1, 1))
    rows = wide[..., 1:, :] + wide[..., :-1, :]
    return rows[..., 1:] + rows[..., :-1]
