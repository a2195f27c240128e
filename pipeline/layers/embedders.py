"""Backbones that give every place of an image one feature vector: what prototypes are means of."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.dinov2 import PATCH, DinoV2
from pipeline.layers.squeezenet import SqueezeNet, prepared
from pipeline.layers.vgg import normalized
from pipeline.layers.vgg16 import Vgg16

Backbone = Literal["vgg16", "squeezenet", "dinov2"]


class Embedder(nn.Module, ABC):
    """RGB images (B, 3, H, W), uint8 or float in [0, 255] -> features (B, C, h, w)."""

    def __init__(self) -> None:
        """As yet with weights of its own."""
        super().__init__()
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    @property
    def trunk(self) -> Literal["pretrained", "scratch"]:
        """What its weights began as."""
        return "pretrained" if bool(self.get_buffer("pretrained")) else "scratch"

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Features of every place."""


class VggEmbedder(Embedder):
    """PANet's encoder (arXiv 1908.06391): VGG-16 at stride 8, without the last ReLU.

    Pools of 3x3 with padding 1 and strides 2, 2, 2 and 1 follow blocks 1 to 4; block 5 has dilation 2. An image of
    417x417 pixels gives 512x53x53; 14,714,688 parameters.
    """

    def __init__(self, vgg: Vgg16) -> None:
        """`vgg` with a block 5 of dilation 2."""
        super().__init__()
        self.vgg = vgg

    def forward(self, images: Tensor) -> Tensor:
        """Features of either sign, every 8 pixels."""
        x = normalized(images)
        for block, stride in ((1, 2), (2, 2), (3, 2), (4, 1)):
            x = F.max_pool2d(self.vgg.block(block, x), 3, stride, 1)
        x = F.relu(self.vgg.features["24"](x))
        x = F.relu(self.vgg.features["26"](x))
        last: Tensor = self.vgg.features["28"](x)
        return last


class SqueezeEmbedder(Embedder):
    """One fire module of SqueezeNet 1.1 with padding, after its ReLU: fire8 gives 512 channels every 16 pixels."""

    def __init__(self, network: SqueezeNet, fire: int) -> None:
        """`fire`: 2 to 9."""
        super().__init__()
        self.network, self.fire = network, fire

    def forward(self, images: Tensor) -> Tensor:
        """Features of at least 0."""
        return self.network.maps(prepared(images))[self.fire - 2]


class DinoEmbedder(Embedder):
    """DINOv2's ViT-S/14: 384 channels every 14 pixels, learnt without any label; 518x518 pixels give 384x37x37."""

    def __init__(self, network: DinoV2) -> None:
        """`network` sees images whose sides are rounded to whole patches."""
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Features of either sign."""
        height, width = (max(1, round(side / PATCH)) * PATCH for side in images.shape[-2:])
        if (height, width) != images.shape[-2:]:
            images = F.interpolate(images.float(), (height, width), mode="bilinear", antialias=True)
        found: Tensor = self.network(normalized(images))
        return found


def embedder(backbone: Backbone, *, width: int, fire: int, weights: Mapping[str, Tensor] | None) -> Embedder:
    """The embedder of a name, its channels divided by `width`; published `weights` are of use at full width alone.

    `UserError` where they are those of another network.
    """
    made: VggEmbedder | SqueezeEmbedder | DinoEmbedder
    published = weights if width == 1 else None
    if backbone == "vgg16":
        made = VggEmbedder(Vgg16(width=width, dilation=2))
        if published is not None:
            made.vgg.load_torchvision(published)
    elif backbone == "dinov2":
        made = DinoEmbedder(DinoV2(width=width))
        if published is not None:
            made.network.load_published(published)
    else:
        made = SqueezeEmbedder(SqueezeNet(width=width, padding=1), fire)
        if published is not None:
            made.network.load_published(published)
    made.get_buffer("pretrained").fill_(published is not None)
    return made
