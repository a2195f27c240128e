"""The residual discriminator of figure 7c, ending in a minibatch standard deviation (Progressive GAN, section 3)."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.layers.style_gan.equalized import EqualizedConv, EqualizedLinear, activate
from pipeline.layers.style_gan.resampling import blur

GROUP = 4
"""Samples that share one standard deviation."""


class Discriminator(nn.Module):
    """Says how real an image looks, beside others of its batch."""

    def __init__(self, *, start: tuple[int, int], channels: Sequence[int], inputs: int = 3) -> None:
        """`start` and `channels` as the generator has them: from the smallest level."""
        super().__init__()
        self.first = EqualizedConv(inputs, channels[-1], 1)
        self.levels = nn.Sequential(
            *(Halving(wide, narrow) for wide, narrow in zip(channels[:0:-1], channels[-2::-1], strict=True))
        )
        self.last = EqualizedConv(channels[0] + 1, channels[0], 3)
        self.hidden = EqualizedLinear(channels[0] * start[0] * start[1], channels[0], activated=True)
        self.decision = EqualizedLinear(channels[0], 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, H, W) -> logits (B,)."""
        x = self.levels(activate(self.first(images)))
        x = activate(self.last(with_deviation(x), padding=1))
        logits: Tensor = self.decision(self.hidden(x.flatten(1)))
        return logits[:, 0]


class Halving(nn.Module):
    """Two convolutions, of which the second halves the map, beside a halving 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        """The sum is divided by sqrt(2), which keeps its variance."""
        super().__init__()
        self.keep = EqualizedConv(inputs, inputs, 3)
        self.halve = EqualizedConv(inputs, outputs, 3, stride=2)
        self.skip = EqualizedConv(inputs, outputs, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H/2, W/2)."""
        main = activate(self.keep(x, padding=1))
        main = activate(self.halve(blur(main, (2, 2))))
        skipped: Tensor = self.skip(blur(x, (1, 1)))
        return (main + skipped) / math.sqrt(2)


def with_deviation(x: Tensor) -> Tensor:
    """(B, C, H, W) with one channel more: the deviation between samples of a group, averaged over all its values.

    Groups are interleaved, sample i in group i mod (B / size); the size is 4 or the largest divisor of B below.
    """
    batch, _, height, width = x.shape
    size = next(size for size in range(min(GROUP, batch), 0, -1) if batch % size == 0)
    deviation = (x.float().reshape(size, batch // size, -1).var(0, correction=0) + 1e-8).sqrt().mean(1)
    plane = deviation.repeat(size)[:, None, None, None].expand(-1, 1, height, width)
    return torch.cat([x, plane.to(x.dtype)], 1)
