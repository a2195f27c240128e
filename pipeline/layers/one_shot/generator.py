"""The generator of One-Shot GAN and OSMIS: residual blocks, an image at every level, a soft mask."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.one_shot.norm import Norm, norms
from pipeline.layers.one_shot.precision import wide
from pipeline.layers.one_shot.resampled_convolution import upsampled_convolution
from pipeline.layers.one_shot.spectral_norm import DEVIATION, SpectralConv2d, convolutions, normalised, settle

MULTIPLIERS = (8, 8, 8, 8, 8, 8, 8, 4, 2, 1)
"""Widths of the last blocks' inputs and of the output, in units of the base width."""
SLOPE = 0.2


@dataclass(frozen=True)
class Made:
    """What a generator makes of B latents."""

    images: list[Tensor]
    """(B, 3, H / 2^i, W / 2^i) in [-1, 1], the full image first; as many as the discriminator reads."""
    masks: Tensor | None
    """(B, N, H, W) float32, a softmax over background and objects; None without a mask head."""
    features: list[Tensor]
    """Raw output of every block, coarsest first."""


class Generator(nn.Module):
    """Latents (B, latent) -> `Made`. 7,139,770 parameters at 384x640 with N = 2."""

    def __init__(
        self,
        *,
        grid: tuple[int, int],
        blocks: int,
        levels: int,
        channels: int,
        width: int = 32,
        latent: int = 64,
        norm: Norm = "none",
        detach: bool = False,
    ) -> None:
        """`channels` is N, of the mask, 0 without one; images of the `levels` finest blocks are made.

        With `detach` no gradient of the mask reaches the blocks. Images of coarser blocks have heads too, as released,
        but nothing reads them, so they are left out.
        """
        super().__init__()
        self.latent, self.levels, self.detach = latent, levels, detach
        widths = [width * factor for factor in MULTIPLIERS[-blocks - 1 :]]
        self.first = nn.ConvTranspose2d(latent, widths[0], grid)
        self.blocks = nn.ModuleList(
            GeneratorBlock(widths[i], widths[i + 1], up=i > 0, norm=norm) for i in range(blocks)
        )
        self.heads = nn.ModuleList(SpectralConv2d(out, 3, 3, padding=1) for out in widths[1:])
        self.mask = nn.Conv2d(widths[-1], channels, 3, padding=1) if channels else None
        if self.mask is not None:
            nn.init.normal_(self.mask.weight, 0.0, DEVIATION)
        self._read = convolutions(self.blocks, self.heads[-levels:])

    def forward(self, latents: Tensor) -> Made:
        """One power iteration in training, none else."""
        with normalised(self._read, update=self.training):
            maps = self.first(latents[..., None, None]).contiguous(memory_format=torch.channels_last)
            features = []
            for block in self.blocks:
                maps = block(maps)
                features.append(maps)
            pairs = zip(reversed(self.heads), reversed(features), strict=True)
            images = [torch.tanh(head(maps)) for _, (head, maps) in zip(range(self.levels), pairs, strict=False)]
            return Made(images, self._soft(maps), features)

    def settle(self) -> None:
        """Bring the singular vectors of averaged weights up to date, exactly; before sampling."""
        settle(self._read)

    def _soft(self, maps: Tensor) -> Tensor | None:
        if self.mask is None:
            return None
        return wide(self.mask(maps.detach() if self.detach else maps)).softmax(1)


class GeneratorBlock(nn.Module):
    """Two 3x3 convolutions beside a 1x1 shortcut; the first of them enlarges by two where `up`."""

    def __init__(self, channels: int, out: int, *, up: bool, norm: Norm) -> None:
        """The narrower of both widths is the one in between."""
        super().__init__()
        middle = min(channels, out)
        self.up = up
        self.norms = norms(norm, channels, middle)
        self.first = SpectralConv2d(channels, middle, 3, padding=1)
        self.second = SpectralConv2d(middle, out, 3, padding=1)
        self.shortcut = SpectralConv2d(channels, out, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, out, 2H, 2W), or (B, out, H, W).

        The 1x1 shortcut comes before its enlargement, which it commutes with.
        """
        main: Tensor = F.leaky_relu(self.norms[0](maps), SLOPE)
        side: Tensor = self.shortcut(maps)
        if self.up:
            main = upsampled_convolution(main, self.first.kernel, self.first.bias)
            side = F.interpolate(side, scale_factor=2.0, mode="nearest")
        else:
            main = self.first(main)
        main = self.second(F.leaky_relu(self.norms[1](main), SLOPE))
        return main + side
