"""The running average of a generator's weights, which is what is sampled from (Progressive GAN, section 2)."""

import math

import torch
from torch import nn


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move the parameters of `average` by `share` towards those of `network`; its buffers are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), share)
    for kept, new in zip(average.buffers(), network.buffers(), strict=True):
        kept.copy_(new)


def share_of(images: int, half_life: float) -> float:
    """What `images` new images weigh in an average that halves old weights every `half_life` images."""
    return 1 - math.pow(0.5, images / half_life)
