"""Content feature augmentation of One-Shot GAN: mix and drop channels of the pooled vectors of real images.

All random numbers are drawn up front and applied by selection, so that nothing waits for the device.
"""

import torch
from torch import Tensor

FRACTION = (0.1, 0.3)
"""Least and greatest share of the channels that a mix or a drop takes."""


def augment_content(vectors: Tensor, *, probability: float, one_way: bool) -> Tensor:
    """Vectors (B, C) of B samples, for OSMIS those of the background alone, mixed and then dropped.

    Mixing, with `probability` for all pairs (0, 1), (2, 3), ... at once: each pair exchanges a random set of 10 to 30 %
    of its channels. With `one_way`, as in the released code, where source and target share their storage, the first
    receives the second's and the second stays as it is. Dropping, with `probability`: one such set is zero for all.
    """
    batch, channels = vectors.shape
    paired = batch // 2 * 2
    mix, drop = torch.rand(2, device=vectors.device) < probability
    chosen = _subsets(batch // 2, channels, vectors.device)
    first, second = vectors[:paired].reshape(batch // 2, 2, channels).unbind(1)
    taken = torch.where(chosen & mix, second, first)
    given = second if one_way else torch.where(chosen & mix, first, second)
    mixed = torch.cat([torch.stack([taken, given], 1).flatten(0, 1), vectors[paired:]])
    return mixed.masked_fill(_subsets(1, channels, vectors.device) & drop, 0.0)


def _subsets(count: int, channels: int, device: torch.device) -> Tensor:
    """(count, channels) bool, of each row 10 to 30 % true."""
    low, high = FRACTION
    share = low + (high - low) * torch.rand(count, 1, device=device)
    ranks = torch.rand(count, channels, device=device).argsort(1).argsort(1)
    return ranks < (share * channels).long()
