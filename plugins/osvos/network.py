"""OSVOS's network: side outputs of a trunk, enlarged by fixed bilinear kernels, and fused (arXiv 1611.05198)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.bilinear import enlarged
from pipeline.layers.squeezenet import SqueezeNet, prepared
from pipeline.layers.vgg16 import Vgg16

SIDES = 16
"""Channels of a side output."""


class Trunk(nn.Module, ABC):
    """RGB images (B, 3, H, W) uint8 -> the map that each of four side outputs reads."""

    strides: tuple[int, ...]
    """Pixels between the cells of each map."""
    channels: tuple[int, ...]

    def __init__(self) -> None:
        """As yet with weights of its own."""
        super().__init__()
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """The maps, fine to coarse."""

    @abstractmethod
    def first(self, length: int, cells: int, stride: int) -> float:
        """Pixel, along an axis of `length` pixels, over which the first of `cells` cells lies."""


class VggTrunk(Trunk):
    """VGG-16's stages 2 to 5, after 2x2 max pooling that rounds sides up; 14,714,688 parameters at full width.

    At 480x854: 128x240x427, 256x120x214, 512x60x107, 512x30x54.
    """

    strides = (2, 4, 8, 16)

    def __init__(self, width: int, weights: Mapping[str, Tensor] | None) -> None:
        """Channels divided by `width`; published weights, in torchvision's names, are of use at full width alone."""
        super().__init__()
        self.vgg = Vgg16(width=width)
        self.channels = self.vgg.channels[1:]
        if width == 1 and weights is not None:
            self.vgg.load_torchvision(weights)
            self.get_buffer("pretrained").fill_(True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Four maps."""
        x, maps = self.vgg.block(1, prepared(images)), []
        for number in (2, 3, 4, 5):
            x = self.vgg.block(number, F.max_pool2d(x, 2, ceil_mode=True))
            maps.append(x)
        return maps

    def first(self, length: int, cells: int, stride: int) -> float:
        """A transposed convolution of 2 `stride` pixels, of whose excess half, rounded down, is cut off here."""
        return stride - 0.5 - ((cells + 1) * stride - length) // 2


class SqueezeTrunk(Trunk):
    """SqueezeNet 1.1's conv1, fire3, fire5 and fire9, with a padding of 1; 722,496 parameters at full width.

    At 480x854: 64x240x427, 128x120x214, 256x60x107, 512x30x54.
    """

    strides = (2, 4, 8, 16)

    def __init__(self, width: int, weights: Mapping[str, Tensor] | None) -> None:
        """Channels divided by `width`; published weights are of use at full width alone."""
        super().__init__()
        self.squeeze = SqueezeNet(width=width, padding=1)
        self.channels = (64 // width, *(self.squeeze.channels[n] for n in (1, 3, 7)))
        if width == 1 and weights is not None:
            self.squeeze.load_published(weights)
            self.get_buffer("pretrained").fill_(True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Four maps."""
        stem = self.squeeze.stem(prepared(images))
        fires = self.squeeze.fires(stem)
        return [stem, fires[1], fires[3], fires[7]]

    def first(self, length: int, cells: int, stride: int) -> float:
        """With this padding cells lie at multiples of their stride."""
        return 0.0


TRUNKS: dict[Literal["vgg16", "squeezenet"], type[VggTrunk] | type[SqueezeTrunk]] = {
    "vgg16": VggTrunk,
    "squeezenet": SqueezeTrunk,
}


class Network(nn.Module):
    """Logits of the object at every pixel.

    Parameters: 14,714,688 (VGG-16) + 202,816 (sides) + 68 (scores) + 65 (fuse); the fixed kernels, 348,160 + 1,360
    numbers of the published 15,267,157, are not stored. The kernel is the same in all channels, so that fusing what was
    enlarged equals enlarging what each side adds to the fused logit, a sixteenth of the work.
    """

    def __init__(self, trunk: VggTrunk | SqueezeTrunk) -> None:
        """New convolutions start normal with a deviation of 0.001, their biases at 0."""
        super().__init__()
        self.trunk = trunk
        self.side = nn.ModuleList(nn.Conv2d(channels, SIDES, 3, padding=1) for channels in trunk.channels)
        self.score = nn.ModuleList(nn.Conv2d(SIDES, 1, 1) for _ in trunk.channels)
        self.fuse = nn.Conv2d(SIDES * len(trunk.channels), 1, 1)
        for name, tensor in self.named_parameters():
            if not name.startswith("trunk."):
                nn.init.zeros_(tensor) if name.endswith("bias") else nn.init.normal_(tensor, std=0.001)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) uint8 -> fused logits (B, H, W) float32."""
        return self.fused(self.sides(images), images)

    def sides(self, images: Tensor) -> list[Tensor]:
        """Side outputs (B, 16, h, w), fine to coarse."""
        return [side(x) for side, x in zip(self.side, self.trunk(images), strict=True)]

    def fused(self, sides: list[Tensor], images: Tensor) -> Tensor:
        """What the 1x1 convolution makes of all sides, enlarged to the images' size."""
        weights = torch.split(self.fuse.weight, SIDES, 1)
        parts = [
            self._enlarged(_applied(x, weight), stride, images)
            for x, weight, stride in zip(sides, weights, self.trunk.strides, strict=True)
        ]
        assert self.fuse.bias is not None
        return torch.stack(parts).sum(0) + self.fuse.bias

    def scored(self, sides: list[Tensor], images: Tensor) -> list[Tensor]:
        """Logits (B, H, W) of each side alone, which deep supervision trains."""
        return [
            self._enlarged(_applied(x, score.get_parameter("weight"), score.get_parameter("bias")), stride, images)
            for x, score, stride in zip(sides, self.score, self.trunk.strides, strict=True)
        ]

    def _enlarged(self, x: Tensor, stride: int, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        top = self.trunk.first(height, x.shape[-2], stride)
        left = self.trunk.first(width, x.shape[-1], stride)
        return enlarged(x, (height, width), stride, (top, left))[:, 0]


def _applied(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 1x1 convolution to one channel, in float32 whatever autocast says: logits are sums of large numbers."""
    with torch.autocast(x.device.type, enabled=False):
        return F.conv2d(x.float(), weight, bias)
