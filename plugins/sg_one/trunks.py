"""Trunks of SG-One: three maps at an eighth of the picture's size, rounded up (arXiv 1810.09091, section 3)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.layers.squeezenet import SqueezeNet, prepared
from pipeline.layers.vgg import normalized
from pipeline.layers.vgg16 import Vgg16

Backbone = Literal["vgg16", "squeezenet"]
ExtraInputs = Literal["random", "zeros"]


class Trunk(nn.Module, ABC):
    """Pictures -> (stem, block 4, block 5)."""

    channels: tuple[int, int, int]
    """Of the three maps."""

    @abstractmethod
    def prepare(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) uint8 -> pictures float32, in which 0 is the mean colour."""

    @abstractmethod
    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W), or as many channels as it was made for -> maps (B, C, h, w) after their ReLU."""


class VggTrunk(Trunk):
    """VGG-16, pooled by 3x3 places: 256, 512 and 512 channels; 14,714,688 parameters at full width."""

    def __init__(self, vgg: Vgg16, *, pools: bool) -> None:
        """`pools`: whether pooling without a stride follows blocks 4 and 5."""
        super().__init__()
        self.vgg, self.pools = vgg, pools
        self.channels = (vgg.channels[2], vgg.channels[3], vgg.channels[4])

    def prepare(self, images: Tensor) -> Tensor:
        """As torchvision's weights expect them."""
        return normalized(images)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Blocks 3 to 5, each with its pooling."""
        x = pictures
        for block in (1, 2, 3):
            x = _pooled(self.vgg.block(block, x), 2)
        block4 = self._unstrided(self.vgg.block(4, x))
        return x, block4, self._unstrided(self.vgg.block(5, block4))

    def _unstrided(self, x: Tensor) -> Tensor:
        return _pooled(x, 1) if self.pools else x


class SqueezeTrunk(Trunk):
    """SqueezeNet 1.1 at stride 8: fire5, fire7 and fire9, of 256, 384 and 512 channels; 722,496 parameters."""

    def __init__(self, network: SqueezeNet) -> None:
        """`network` with padding 1 and dilated."""
        super().__init__()
        self.network = network
        self.channels = (network.channels[3], network.channels[5], network.channels[7])

    def prepare(self, images: Tensor) -> Tensor:
        """As the public weights expect them."""
        return prepared(images)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs of three modules."""
        maps = self.network.maps(pictures)
        return maps[3], maps[5], maps[7]


def trunk(
    backbone: Backbone,
    *,
    width: int,
    inputs: int,
    pools: bool,
    extra_inputs: ExtraInputs,
    weights: Mapping[str, Tensor] | None,
) -> Trunk:
    """The trunk of a name, its channels divided by `width`, with published `weights` where there are any.

    Where `inputs` exceed 3, filters of the others start as `extra_inputs` says. `UserError` where the weights are those
    of another network, or SqueezeNet is to take more than three inputs.
    """
    if backbone == "vgg16":
        vgg = Vgg16(width=width, inputs=inputs)
        if weights is not None:
            vgg.load_torchvision(weights, extra_inputs)
        return VggTrunk(vgg, pools=pools)
    if inputs != 3:
        raise UserError(
            "backbone=squeezenet takes pictures of three channels, and support_input=concat makes five: "
            "set support_input=image or masked, or backbone=vgg16"
        )
    network = SqueezeNet(width=width, padding=1, dilated=True)
    if weights is not None:
        network.load_published(weights)
    return SqueezeTrunk(network)


def _pooled(x: Tensor, stride: int) -> Tensor:
    """The largest of 3x3 places; a side of n becomes (n - 1) // stride + 1."""
    return F.max_pool2d(x, 3, stride=stride, padding=1)
