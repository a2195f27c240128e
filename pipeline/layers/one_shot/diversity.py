"""Diversity regularization of One-Shot GAN: images of one batch should differ in every block's features.

The sum over the pairs k < m of |a_k - a_m| is the sum over the sorted values a_(i) of (2i - B - 1) a_(i). The factor of
a value is the number of values below it less the number above it; it is kept in a byte for the backward pass.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.layers.one_shot.precision import wide


def diversity_loss(features: Sequence[Tensor]) -> Tensor:
    """Minus 2 / (K (K - 1)) times the sum over K layers and all pairs of a batch of the mean |f - f'|, f = tanh(.).

    `features` are K maps (B, C, h, w). The divisor counts layers, not pairs, as in the released code.
    """
    layers = len(features)
    found = [_PairDistance.apply(wide(maps).tanh()) for maps in features]
    return -2 / (layers * max(1, layers - 1)) * torch.stack(found).sum()


class _PairDistance(torch.autograd.Function):
    """Values (B, ...) -> the sum over the pairs of the mean absolute difference, by ranks."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ranks = torch.zeros(values.shape, dtype=torch.int8, device=values.device).contiguous(
            memory_format=torch.channels_last if values.dim() == 4 else torch.contiguous_format
        )
        for k in range(len(values)):
            for m in range(k):
                above = torch.sign(values[k] - values[m]).to(torch.int8)
                ranks[k] += above
                ranks[m] -= above
        ctx.save_for_backward(ranks)
        ctx.count = values[0].numel()
        distance: Tensor = (values * ranks).sum() / ctx.count
        return distance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (ranks,) = ctx.saved_tensors
        slope: Tensor = ranks * (gradient / ctx.count)
        return slope
