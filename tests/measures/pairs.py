"""A pair of a disc on stripes, and fakes of it moved about."""

import torch
from torch import Tensor

from pipeline.measures.pair import Pair


def scene(row: float, column: float, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Image (3, H, W) and mask (H, W): a red disc, stripes behind it."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    mask = ((y - row * height) ** 2 + (x - column * width) ** 2) < (height / 4) ** 2
    stripes = (x // 4 % 2 * 120 + 60).expand(3, -1, -1)
    image = torch.where(mask, torch.tensor([220, 30, 30])[:, None, None], stripes)
    return image.to(torch.uint8), mask.to(torch.uint8)


def pair_of(count: int = 6, height: int = 32, width: int = 64, *, masks: bool = True) -> Pair:
    """`count` fakes, the disc at another place in each."""
    fakes = [scene(0.3 + 0.4 * k / count, 0.2 + 0.6 * k / count, height, width) for k in range(count)]
    images, indices = (torch.stack(part) for part in zip(*fakes, strict=True))
    return Pair(real=scene(0.5, 0.5, height, width), fakes=(images, indices), objects=1, masks=masks)
