"""The two branches of SG-One (arXiv 1810.09091, section 3), as the authors' released network has them."""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.vgg16 import Vgg16

Interaction = Literal["joined", "alone", "none"]


class Maps(NamedTuple):
    """What the guidance branch makes of pictures of H x W pixels, at an eighth of that, rounded up."""

    stem: Tensor
    """(B, 256, h, w) of block 3."""
    block4: Tensor
    """(B, 512, h, w)."""
    block5: Tensor
    """(B, 512, h, w)."""
    guidance: Tensor
    """(B, 512, h, w): g, what places are compared by."""


class Guidance(nn.Module):
    """VGG-16 at stride 8 and the convolution g: 14,714,688 + 2,359,808 parameters at full width."""

    def __init__(self, vgg: Vgg16, *, pools: bool, relu: bool) -> None:
        """`pools`: whether pooling without a stride follows blocks 4 and 5; `relu`: whether a ReLU follows g."""
        super().__init__()
        self.vgg, self.pools, self.relu = vgg, pools, relu
        self.guide = xavier_convolution(vgg.channels[4], vgg.channels[4])

    def forward(self, pictures: Tensor) -> Maps:
        """Normalized pictures (B, 3, H, W); with a mask and its inverse, 5 channels, where the trunk takes as many."""
        x = pictures
        for block in (1, 2, 3):
            x = pooled(self.vgg.block(block, x), 2)
        block4 = self._unstrided(self.vgg.block(4, x))
        block5 = self._unstrided(self.vgg.block(5, block4))
        guidance: Tensor = self.guide(block5)
        return Maps(x, block4, block5, F.relu(guidance) if self.relu else guidance)

    def _unstrided(self, x: Tensor) -> Tensor:
        return pooled(x, 1) if self.pools else x


class Segmentation(nn.Module):
    """s3, s4 and s5, each 128 channels wide: 1,769,856 parameters at full width, 590,208 where they stand alone."""

    def __init__(self, stem: int, guidance: int, channels: int, *, joined: bool, relu: bool) -> None:
        """`joined`: whether s4 and s5 see the guidance branch's blocks 4 and 5; `relu`: whether a ReLU follows s5."""
        super().__init__()
        self.joined, self.relu = joined, relu
        self.s3 = xavier_convolution(stem, channels)
        self.s4 = xavier_convolution(channels + (guidance if joined else 0), channels)
        self.s5 = xavier_convolution(channels + (guidance if joined else 0), channels)

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


def pooled(x: Tensor, stride: int) -> Tensor:
    """The largest of 3x3 places; a side of n becomes (n - 1) // stride + 1."""
    return F.max_pool2d(x, 3, stride=stride, padding=1)


def xavier_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution whose weights start Xavier-uniform, its biases 0, as in the authors' code."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.xavier_uniform_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution
