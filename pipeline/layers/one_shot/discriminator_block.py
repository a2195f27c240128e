"""The discriminator's residual blocks, with and without a change of scale."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.one_shot.norm import Norm, norms
from pipeline.layers.one_shot.resampled_convolution import pooled_convolution
from pipeline.layers.one_shot.spectral_norm import SpectralConv2d

SLOPE = 0.2


class DownBlock(nn.Module):
    """Two 3x3 convolutions beside a 1x1 shortcut, both averaged 2x2; `first` has no activation before it."""

    def __init__(self, channels: int, out: int, *, norm: Norm = "none", first: bool = False) -> None:
        """The narrower of both widths is the one in between."""
        super().__init__()
        middle = min(channels, out)
        self.is_first = first
        self.norms = norms(norm, channels, middle)
        if first:
            self.norms[0] = nn.Identity()
        self.first = SpectralConv2d(channels, middle, 3, padding=1)
        self.second = SpectralConv2d(middle, out, 3, padding=1)
        self.shortcut = SpectralConv2d(channels, out, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, H // 2, W // 2).

        The average comes before the 1x1 shortcut, which it commutes with.
        """
        main = maps if self.is_first else F.leaky_relu(self.norms[0](maps), SLOPE)
        main = F.leaky_relu(self.norms[1](self.first(main)), SLOPE)
        main = pooled_convolution(main, self.second.kernel, self.second.bias)
        side: Tensor = self.shortcut(F.avg_pool2d(maps, 2))
        return main + side


class ContentBlock(nn.Module):
    """Two 1x1 convolutions beside a shortcut, which is the identity where the width stays."""

    def __init__(self, channels: int, out: int, *, norm: Norm = "none") -> None:
        """The narrower of both widths is the one in between. A single vector has no instance norm."""
        super().__init__()
        middle = min(channels, out)
        self.norms = norms("none" if norm == "instance" else norm, channels, middle)
        self.first = SpectralConv2d(channels, middle, 1)
        self.second = SpectralConv2d(middle, out, 1)
        self.shortcut = nn.Identity() if channels == out else SpectralConv2d(channels, out, 1, bias=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """(R, channels, 1, 1) -> (R, out, 1, 1)."""
        main: Tensor = self.first(F.leaky_relu(self.norms[0](vectors), SLOPE))
        main = self.second(F.leaky_relu(self.norms[1](main), SLOPE))
        side: Tensor = self.shortcut(vectors)
        return main + side


def widths(base: int, blocks: int, low_level: int, *, objects: bool) -> Sequence[int]:
    """Channels before, between and after the blocks; the branches' inner ones are doubled where they tell objects."""
    factors = [min(2**i, 8) for i in range(blocks + 1)]
    return [base * f * (2 if objects and low_level < i < blocks else 1) for i, f in enumerate(factors)]
