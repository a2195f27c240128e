"""The generator with skip sums of figure 7b: an image, and further maps beside it, from one style a layer."""

from collections.abc import Mapping as Named
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.layers.style_gan.mapping import Mapping
from pipeline.layers.style_gan.modulation import Head, StyledLayer
from pipeline.layers.style_gan.resampling import doubled

Noise = Sequence[Tensor]
"""One map (B or 1, 1, h, w) a convolution."""


class Made(NamedTuple):
    """What the synthesis gives."""

    heads: dict[str, Tensor]
    """(B, channels, H, W) by name."""
    features: list[Tensor]
    """The output (B, C, h, w) of every convolution, from the smallest."""


class Generator(nn.Module):
    """Mapping and synthesis networks."""

    start: Tensor

    def __init__(
        self,
        *,
        start: tuple[int, int],
        channels: Sequence[int],
        latent: int,
        mapping: int,
        heads: Named[str, int],
    ) -> None:
        """`channels` of every level from the smallest; `heads` names the sums of skips and their channels."""
        super().__init__()
        self.mapping = Mapping(latent, mapping)
        self.constant = nn.Parameter(torch.randn(channels[0], *start))
        self.levels = nn.ModuleList(
            Level(before, width, latent, heads, double=number > 0)
            for number, (before, width) in enumerate(zip((channels[0], *channels), channels, strict=False))
        )
        self.latent, self.layers = latent, 2 * len(channels)
        sizes = [(start[0] << level, start[1] << level) for level in range(len(channels))]
        self._sizes = [sizes[0], *(size for size in sizes[1:] for _ in range(2))]
        for number, size in enumerate(self._sizes):
            self.register_buffer(f"noise{number}", torch.randn(1, 1, *size))

    def forward(self, styles: Tensor, noise: Noise | None) -> Made:
        """Styles (B, `layers`, latent) -> all heads at full size, and the features; without `noise` none is added."""
        x = self.constant.expand(len(styles), -1, -1, -1)
        heads: dict[str, Tensor] = {}
        features: list[Tensor] = []
        position = 0
        for level in self.levels:
            assert isinstance(level, Level)
            for layer in level.layers:
                x = layer(x, styles[:, position], None if noise is None else noise[position])
                features.append(x)
                position += 1
            for name, head in level.heads.items():
                made = head(x, styles[:, position])
                heads[name] = doubled(heads[name]) + made if name in heads else made
        return Made(heads, features)

    def broadcast(self, style: Tensor) -> Tensor:
        """One style w (B, latent) for every layer: (B, `layers`, latent)."""
        return style[:, None].expand(-1, self.layers, -1)

    def truncated(self, z: Tensor, strength: float, layers: int) -> Tensor:
        """Styles of z (B, latent), the first `layers` pulled to the mean: mean + strength (w - mean)."""
        style, mean = self.mapping(z), self.mapping.mean
        first = torch.arange(self.layers, device=z.device) < layers
        return torch.where(first[:, None], mean + strength * (style - mean)[:, None], style[:, None])

    def random_noise(self, batch: int) -> list[Tensor]:
        """New noise for every sample, from the global generator of the weights' device."""
        return [torch.randn(batch, 1, *size, device=self.constant.device) for size in self._sizes]

    def constant_noise(self) -> list[Tensor]:
        """The same noise at every call, drawn when the network was made."""
        return [self.get_buffer(f"noise{number}") for number in range(len(self._sizes))]


class Level(nn.Module):
    """The layers of one size, and what each head takes from them."""

    def __init__(self, inputs: int, width: int, latent: int, heads: Named[str, int], *, double: bool) -> None:
        """The smallest level has one convolution, every other two, the first of which doubles the map."""
        super().__init__()
        first = StyledLayer(inputs, width, latent, double=double)
        second = [StyledLayer(width, width, latent, double=False)] if double else []
        self.layers = nn.ModuleList([first, *second])
        self.heads = nn.ModuleDict({name: Head(width, outputs, latent) for name, outputs in heads.items()})


def widths(levels: int, base: int, most: int) -> list[int]:
    """Channels of each level: base / (4 * 2^level), at most `most`; `base` 32768 and 512 are configuration F."""
    return [max(1, min(base // (4 << level), most)) for level in range(levels)]
