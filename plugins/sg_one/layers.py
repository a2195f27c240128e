"""The two branches of SG-One (arXiv 1810.09091, section 3), as the authors' released network has them."""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plugins.sg_one.trunks import Trunk

Interaction = Literal["joined", "alone", "none"]


class Maps(NamedTuple):
    """What the guidance branch makes of pictures of H x W pixels, at an eighth of that, rounded up.

    Channels are those of VGG-16 at full width.
    """

    stem: Tensor
    """(B, 256, h, w) of block 3."""
    block4: Tensor
    """(B, 512, h, w)."""
    block5: Tensor
    """(B, 512, h, w)."""
    guidance: Tensor
    """(B, 512, h, w): g, what places are compared by."""


class Guidance(nn.Module):
    """A trunk at stride 8 and the convolution g: with VGG-16 14,714,688 + 2,359,808 parameters at full width."""

    def __init__(self, trunk: Trunk, *, relu: bool) -> None:
        """`relu`: whether a ReLU follows g."""
        super().__init__()
        self.trunk, self.relu = trunk, relu
        self.guide = xavier_convolution(trunk.channels[2], trunk.channels[2])

    def forward(self, pictures: Tensor) -> Maps:
        """Prepared pictures (B, 3, H, W); with a mask and its inverse, 5 channels, where the trunk takes as many."""
        stem, block4, block5 = self.trunk(pictures)
        guidance: Tensor = self.guide(block5)
        return Maps(stem, block4, block5, F.relu(guidance) if self.relu else guidance)


class Segmentation(nn.Module):
    """s3, s4 and s5, each 128 channels wide: 1,769,856 parameters at full width, 590,208 where they stand alone."""

    def __init__(self, inputs: tuple[int, int, int], channels: int, *, joined: bool, relu: bool) -> None:
        """`inputs`: channels of the trunk's maps. `joined`: s4 and s5 see blocks 4 and 5; `relu`: one follows s5."""
        super().__init__()
        self.joined, self.relu = joined, relu
        stem, block4, block5 = inputs
        self.s3 = xavier_convolution(stem, channels)
        self.s4 = xavier_convolution(channels + (block4 if joined else 0), channels)
        self.s5 = xavier_convolution(channels + (block5 if joined else 0), channels)

    def forward(self, maps: Maps) -> Tensor:
        """(B, channels, h, w), of either sign unless a ReLU follows s5."""
        x = F.relu(self.s3(maps.stem))
        x = F.relu(self.s4(torch.cat([x, maps.block4], 1) if self.joined else x))
        x = self.s5(torch.cat([x, maps.block5], 1) if self.joined else x)
        return F.relu(x) if self.relu else x


class Head(nn.Module):
    """c6 and the exit: logits of background and object; 147,842 parameters at full width."""

    def __init__(self, inputs: int, channels: int, *, exit_padding: int) -> None:
        """Padding the 1x1 exit makes the logits larger by as many cells on every side, which equal its bias."""
        super().__init__()
        self.c6 = nn.Conv2d(inputs, channels, 3, padding=1)
        self.exit = nn.Conv2d(channels, 2, 1, padding=exit_padding)

    def forward(self, fused: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, 2, h, w), and larger by the padding."""
        logits: Tensor = self.exit(F.relu(self.c6(fused)))
        return logits


def xavier_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution whose weights start Xavier-uniform, its biases 0, as in the authors' code."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.xavier_uniform_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution
