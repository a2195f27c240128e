"""Backbones of HSNet: all intermediate maps at strides 8, 16 and 32 (arXiv 2104.01538)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.squeezenet import SqueezeNet, prepared
from pipeline.layers.vgg import halved, normalized
from pipeline.layers.vgg16 import Vgg16

Backbone = Literal["vgg16", "squeezenet"]
Maps = list[list[Tensor]]
"""Of strides 32, 16 and 8, in this order: the maps (B, C, h, w) of every layer at that stride."""


class Pyramid(nn.Module, ABC):
    """RGB images (B, 3, H, W), uint8 or float in [0, 255] -> maps."""

    layers: tuple[int, int, int]
    """Maps at strides 32, 16 and 8."""

    def __init__(self) -> None:
        """As yet with weights of its own."""
        super().__init__()
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    @property
    def trunk(self) -> Literal["pretrained", "scratch"]:
        """What its weights began as."""
        return "pretrained" if bool(self.get_buffer("pretrained")) else "scratch"

    @abstractmethod
    def forward(self, images: Tensor) -> Maps:
        """Every intermediate map."""


class VggPyramid(Pyramid):
    """VGG-16: the last pooling, conv5_1 to conv5_3 and conv4_1 to conv4_3, these before their ReLU, as in the code.

    An image of 400x400 pixels gives 512x12x12 once, 512x25x25 and 512x50x50 three times each.
    """

    layers = (1, 3, 3)

    def __init__(self, vgg: Vgg16) -> None:
        """Pools of 2x2 pixels follow every block of `vgg`."""
        super().__init__()
        self.vgg = vgg

    def forward(self, images: Tensor) -> Maps:
        """Seven maps."""
        x = normalized(images)
        for block in (1, 2, 3):
            x = halved(self.vgg.block(block, x))
        x, fourth = self._block(x, ("17", "19", "21"))
        x, fifth = self._block(x, ("24", "26", "28"))
        return [[x], fifth, fourth]

    def _block(self, x: Tensor, names: tuple[str, ...]) -> tuple[Tensor, list[Tensor]]:
        """What the next block gets, and the maps of these convolutions."""
        maps = []
        for name in names:
            maps.append(self.vgg.features[name](x))
            x = F.relu(maps[-1])
        return halved(x), maps


class SqueezePyramid(Pyramid):
    """SqueezeNet 1.1 with padding: fire9 pooled by 2x2, fire6 to fire9, and fire4 and fire5, after their ReLU.

    An image of 400x400 pixels gives 512x12x12, 384x25x25 twice, 512x25x25 twice, and 256x50x50 twice.
    """

    layers = (1, 4, 2)

    def __init__(self, network: SqueezeNet) -> None:
        """`network` with padding 1, so that its maps reach from edge to edge."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Maps:
        """Seven maps."""
        maps = self.network.maps(prepared(images))
        return [[halved(maps[7])], maps[4:8], maps[2:4]]


def pyramid(backbone: Backbone, *, width: int, weights: Mapping[str, Tensor] | None) -> Pyramid:
    """The pyramid of a name, its channels divided by `width`; published `weights` are of use at full width alone.

    `UserError` where they are those of another network.
    """
    made: VggPyramid | SqueezePyramid
    published = weights if width == 1 else None
    if backbone == "vgg16":
        made = VggPyramid(Vgg16(width=width))
        if published is not None:
            made.vgg.load_torchvision(published)
    else:
        made = SqueezePyramid(SqueezeNet(width=width, padding=1))
        if published is not None:
            made.network.load_published(published)
    made.get_buffer("pretrained").fill_(published is not None)
    return made
