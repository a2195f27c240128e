"""Doubling and halving maps through the binomial filter [1, 3, 3, 1] (StyleGAN2, appendix B)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def blur(x: Tensor, padding: tuple[int, int], gain: float = 1) -> Tensor:
    """Filter (B, C, H, W) by the 4x4 binomial times `gain`, after (left and top, right and bottom) zeros.

    Each side of the result is longer by the sum of `padding` minus 3.
    """
    taps = torch.tensor([1, 3, 3, 1], device=x.device, dtype=x.dtype) / 8
    kernel = (taps[:, None] * taps * gain).expand(x.shape[1], 1, 4, 4)
    before, after = padding
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, groups=x.shape[1])


def doubled(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W): zeros between the values, then the filter, which restores their mean."""
    taps = torch.tensor([1, 3, 3, 1], device=x.device, dtype=x.dtype) / 4
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 4, 4)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])
