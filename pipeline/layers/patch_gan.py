"""A multi-scale PatchGAN (Wang et al., arXiv 1711.11585, section 3.2), as SemanticGAN judges an image with its mask."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.one_shot.spectral_norm import SpectralConv2d, convolutions, normalised

SIDE, PADDING, SLOPE = 4, 2, 0.2


class PatchGan(nn.Module):
    """Patch-wise logits at several scales, each scale with weights of its own.

    Spectral norm on every convolution; instance norm, without parameters, between the first layer and the logits.
    """

    def __init__(self, channels: int, *, width: int = 64, layers: int = 3, scales: int = 3) -> None:
        """Judge maps of `channels` channels: the image's three and the mask's N."""
        super().__init__()
        self.scales = nn.ModuleList([_Scale(channels, width, layers) for _ in range(scales)])
        self._parts = convolutions(self)

    def forward(self, images: Tensor, masks: Tensor) -> list[list[Tensor]]:
        """Images (B, 3, H, W) and masks (B, N, H, W) -> for each scale, finest first, its features, logits last."""
        maps, found = torch.cat([images, masks.to(images.dtype)], 1), []
        with normalised(self._parts, update=self.training):
            for scale in self.scales:
                found.append(scale(maps))
                maps = F.avg_pool2d(maps, 3, stride=2, padding=1, count_include_pad=False)
        return found


class _Scale(nn.Module):
    """Strides 2, .., 2, 1 over the hidden layers, whose width doubles; then one logit a place."""

    def __init__(self, channels: int, width: int, layers: int) -> None:
        super().__init__()
        widths = [channels, *(width * 2 ** min(i, 3) for i in range(layers))]
        self.hidden = nn.ModuleList(
            SpectralConv2d(a, b, SIDE, stride=1 if i == layers - 1 else 2, padding=PADDING)
            for i, (a, b) in enumerate(pairwise(widths))
        )
        self.logits = SpectralConv2d(widths[-1], 1, SIDE, padding=PADDING)

    def forward(self, maps: Tensor) -> list[Tensor]:
        features = []
        for number, layer in enumerate(self.hidden):
            maps = layer(maps)
            maps = F.leaky_relu(F.instance_norm(maps) if number else maps, SLOPE)
            features.append(maps)
        return [*features, self.logits(maps)]


def judged(found: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The logits of each scale."""
    return [features[-1] for features in found]


def feature_matching(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean over the scales of the sum over the hidden layers of the mean |fake - real|; real is a constant."""
    scales = [
        torch.stack([F.l1_loss(a.float(), b.detach().float()) for a, b in zip(f[:-1], r[:-1], strict=True)]).sum()
        for f, r in zip(fake, real, strict=True)
    ]
    return torch.stack(scales).mean()
