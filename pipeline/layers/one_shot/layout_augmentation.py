"""Layout feature augmentation of One-Shot GAN: pairs of real images exchange a rectangle of their feature maps."""

import torch
from torch import Tensor

from pipeline.layers.one_shot.rectangles import draw


def partners(batch: int, device: torch.device) -> Tensor:
    """Index of each sample's partner in the pairs (0, 1), (2, 3), ...; of a last odd one itself."""
    index = torch.arange(batch, device=device)
    return (index ^ 1).where(index < batch // 2 * 2, index)


def per_pair(values: Tensor, batch: int) -> Tensor:
    """What belongs to pairs (B // 2, ...), given to both samples; zero for a last odd one."""
    doubled = values.repeat_interleave(2, 0)
    rest = doubled.new_zeros((batch - len(doubled), *doubled.shape[1:]))
    return torch.cat([doubled, rest])


def augment_layout(features: Tensor, *, probability: float) -> Tensor:
    """Features (B, C, h, w), each pair with `probability` exchanging one random rectangle."""
    batch, device = len(features), features.device
    size = (features.shape[-2], features.shape[-1])
    covered = draw((batch // 2,), size, device)[0].cover(size)
    active = torch.rand(batch // 2, device=device) < probability
    where = per_pair(covered & active[:, None, None], batch)[:, None]
    return torch.where(where, features[partners(batch, device)], features)
