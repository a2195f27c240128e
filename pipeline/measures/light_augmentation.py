"""The light geometric augmentation with which masks are judged (OSMIS's released mIoU script).

Each of the three moves is drawn for each image by itself: a horizontal flip with probability 0.15, a shift by 5 to 30 %
of the height with 0.3, one by 5 to 30 % of the width with 0.3, in either direction. What a shift lays bare is filled by
the mirrored border.
"""

import torch
from torch import Tensor

FLIP, SHIFT = 0.15, 0.3
"""Probabilities of the flip, and of either shift."""
LEAST, MOST = 0.05, 0.30
"""Of a side, a shift."""


def augmented(images: Tensor, masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images (B, 3, H, W) and masks (B, H, W), moved alike; draws from a `generator` of the CPU."""
    count, _, height, width = images.shape
    rows = _shifted(count, height, generator).to(images.device)[:, :, None]
    columns = _shifted(count, width, generator)
    flip = torch.rand(count, 1, generator=generator) < FLIP
    columns = torch.where(flip, columns.flip(1), columns).to(images.device)[:, None, :]
    each = torch.arange(count, device=images.device)[:, None, None]
    return images.permute(0, 2, 3, 1)[each, rows, columns].permute(0, 3, 1, 2), masks[each, rows, columns]


def _shifted(count: int, side: int, generator: torch.Generator) -> Tensor:
    """For each image the source of every position along one side (B, side), reflected at the border pixels."""
    chance, much, sign = torch.rand(3, count, generator=generator)
    shift = ((LEAST + (MOST - LEAST) * much) * side).round().long() * torch.where(sign < 0.5, 1, -1) * (chance < SHIFT)
    source = torch.arange(side) + shift[:, None]
    source = torch.where(source < 0, -1 - source, source)
    return torch.where(source >= side, 2 * side - 1 - source, source)
