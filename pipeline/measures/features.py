"""The networks through which SIFID compares images: InceptionV3, and what stands in where its weights are missing."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.squeezenet import SqueezeNet, prepared
from pipeline.measures.inception import InceptionTaps
from pipeline.measures.nets import Nets
from pipeline.measures.taps import FeatureNet

Name = Literal["inception_v3", "squeezenet1_1", "random"]
PREFERRED: tuple[Name, ...] = ("inception_v3", "squeezenet1_1")
"""The published measure's network first."""


class SqueezeTaps(FeatureNet):
    """SqueezeNet 1.1 before each of its three poolings and at its end: 64, 128, 256 and 512 channels.

    Its weights take pixels up to 255 and its maps grow with them; divided by 255 they give distances of the magnitude
    that InceptionV3 gives, though not comparable with those.
    """

    smallest = 31

    def __init__(self) -> None:
        """Random weights, until those of its `network` are loaded."""
        super().__init__()
        self.network = SqueezeNet()

    def taps(self, images: Tensor) -> list[Tensor]:
        """See `FeatureNet`."""
        first = self.network.stem(prepared(images * 255))
        fires = self.network.fires(first)
        return [found / 255 for found in (first, fires[1], fires[3], fires[7])]


class RandomTaps(FeatureNet):
    """Four convolutions whose weights are drawn once and for all: comparable with itself, and with nothing else."""

    smallest = 16
    channels = (16, 32, 48, 64)
    strides = (1, 2, 2, 2)

    def __init__(self) -> None:
        """The weights are the same on every machine: drawn on the CPU from seed 0."""
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = nn.ModuleList()
        for before, channels, stride in zip((3, *self.channels), self.channels, self.strides, strict=False):
            layer = nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False)
            with torch.no_grad():
                layer.weight.normal_(0, (2 / (9 * before)) ** 0.5, generator=generator)
            self.layers.append(layer)

    def taps(self, images: Tensor) -> list[Tensor]:
        """See `FeatureNet`."""
        found: list[Tensor] = []
        x = images * 2 - 1
        for layer in self.layers:
            x = F.relu(layer(x))
            found.append(x)
        return found


def best_of(nets: Nets) -> Name:
    """The network nearest to the published measure whose weights could be had."""
    return next((name for name in PREFERRED if name in nets), "random")


def feature_net(weights: Mapping[str, Tensor] | None, name: Name) -> FeatureNet:
    """The network `name` with its published `weights`, ready to look; `random` needs none.

    Without weights the other two are as torch draws them. `UserError` where the weights are another network's.
    """
    if name == "inception_v3":
        inception = InceptionTaps()
        if weights is not None:
            inception.load_published(weights)
        return inception.frozen()
    if name == "squeezenet1_1":
        squeeze = SqueezeTaps()
        if weights is not None:
            squeeze.network.load_published(weights)
        return squeeze.frozen()
    return RandomTaps().frozen()
