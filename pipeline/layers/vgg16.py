"""The 13 convolutions of VGG-16 (Simonyan and Zisserman, ICLR 2015) in five blocks, without their pooling.

Segmentation networks differ in how they pool, pad and dilate, so each of them writes that out and takes the blocks from
here. Names and shapes are torchvision's (`features.0` to `features.28`), whose published weights load.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.layers.vgg import CHANNELS, he_convolution

BLOCKS = (2, 2, 3, 3, 3)
"""Convolutions of each block."""


class Vgg16(nn.Module):
    """Blocks of 3x3 convolutions, each with a ReLU: 64, 128, 256, 512, 512 channels; 14,714,688 parameters."""

    def __init__(self, *, width: int = 1, inputs: int = 3, first_padding: int = 1, dilation: int = 1) -> None:
        """Channels divided by `width`; `inputs` channels of the picture; `dilation` of block 5, which pads as much."""
        super().__init__()
        self.channels = tuple(channels // width for channels in CHANNELS)
        self.features = nn.ModuleDict()
        self._names: list[list[str]] = []
        position, before = 0, inputs
        for count, after in zip(BLOCKS, self.channels, strict=True):
            self._names.append([])
            for _ in range(count):
                self.features[str(position)] = he_convolution(before, after)
                self._names[-1].append(str(position))
                position, before = position + 2, after  # a ReLU follows
            position += 1  # a pooling follows
        self._convolution("0").padding = (first_padding, first_padding)
        for name in self._names[4]:
            self._convolution(name).padding = self._convolution(name).dilation = (dilation, dilation)

    def block(self, number: int, x: Tensor) -> Tensor:
        """Block 1 to 5 of (B, C, H, W), after its last ReLU."""
        for name in self._names[number - 1]:
            x = F.relu(self.features[name](x))
        return x

    def load_torchvision(
        self, weights: Mapping[str, Tensor], extra: Literal["random", "zeros", "mean"] = "random"
    ) -> None:
        """Take up torchvision's tensors (full width alone); `UserError` where they are those of another network.

        Of a first convolution with more than three inputs, `random` keeps all as it was drawn; else the first three
        take the published filters, and the others are zeros or the mean of the three.
        """
        with torch.no_grad():
            for name, own in self.features.named_parameters(prefix="features"):
                if name == "features.0.weight" and own.shape[1] > 3:
                    self._widen(own, weights.get(name), extra)
                elif name not in weights or weights[name].shape != own.shape:
                    raise _other_network(name, own)
                else:
                    own.copy_(weights[name])

    def _widen(self, own: Tensor, found: Tensor | None, extra: str) -> None:
        if extra == "random":
            return
        if found is None or found.shape != own[:, :3].shape:
            raise _other_network("features.0.weight", own[:, :3])
        own[:, :3] = found
        own[:, 3:] = found.mean(1, keepdim=True) if extra == "mean" else 0

    def _convolution(self, name: str) -> nn.Conv2d:
        found = self.features[name]
        assert isinstance(found, nn.Conv2d)
        return found


def _other_network(name: str, own: Tensor) -> UserError:
    return UserError(
        f"the weights hold no {name} of shape {tuple(own.shape)}: they are not torchvision's VGG-16; delete the file "
        f"and its manifest in data/raw, and run snakemake"
    )
