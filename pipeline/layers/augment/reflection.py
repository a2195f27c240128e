"""Reflection at the borders, as often as it takes: about the outermost pixels' centres, or about the edges."""

import torch
import torch.nn.functional as F
from torch import Tensor


def fold(positions: Tensor, half: float | Tensor) -> Tensor:
    """Positions mirrored at -`half` and `half` until they lie between the two; `half` > 0."""
    return half - (torch.remainder(positions + half, 4 * half) - 2 * half).abs()


def reflect_pad(images: Tensor, margin: int) -> Tensor:
    """(B, C, H, W) grown by `margin` on each side, mirrored about the outermost pixels; H, W >= 2, any margin.

    An axis padded by all of its length is even about its new borders too: padding again continues the pattern.
    """
    down = across = margin
    while down or across:
        y, x = min(down, images.shape[-2] - 1), min(across, images.shape[-1] - 1)
        images = F.pad(images, (x, x, y, y), mode="reflect")
        down, across = down - y, across - x
    return images
