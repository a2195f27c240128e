"""Frozen networks that describe the cells of an image: the features of OSLSM's simple baselines (section 5)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.layers.alexnet import CELL, FcnAlexNet, Layout
from pipeline.layers.cells import Grid
from pipeline.layers.fcn32 import STRIDE, Fcn32
from pipeline.layers.squeezenet import SqueezeNet, prepared
from pipeline.layers.vgg import normalized

Features = Literal["fcn", "squeezenet", "alexnet", "alexnet_caffe"]
EXTRACTOR = "extractor."
"""Of the tensors of an FCN-32s classifier that make its features."""


class CellFeatures(nn.Module, ABC):
    """Images (B, 3, H, W), uint8 or float in [0, 255] -> features (B, C, h, w) of their cells."""

    grid: Grid
    """Where the cells lie."""
    trunk: Literal["pretrained", "scratch"] = "scratch"
    """What its weights began as; the buffer `pretrained` says so in published weights."""

    def __init__(self) -> None:
        """As yet with weights of its own."""
        super().__init__()
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    def began(self, pretrained: bool) -> None:
        """Note what its weights began as."""
        self.get_buffer("pretrained").fill_(pretrained)
        self.trunk = "pretrained" if pretrained else "scratch"

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Features of every cell."""


class FcnCells(CellFeatures):
    """fc7 of an FCN-32s that was trained on the base classes: 4,096 numbers for every 32 pixels."""

    def __init__(self, extractor: Fcn32, weights: Mapping[str, Tensor] | None) -> None:
        """`weights` are those of a trained plugin `fcn`; None leaves `extractor` as it is."""
        super().__init__()
        self.extractor = extractor
        self.grid = fcn_grid(extractor)
        if weights is not None:
            load_fcn(extractor, weights)
            self.began(bool(weights["pretrained"]))

    def forward(self, images: Tensor) -> Tensor:
        """fc7 after its ReLU."""
        return self.extractor.features(normalized(images))


class SqueezeNetCells(CellFeatures):
    """The last fire module of SqueezeNet 1.1: 512 numbers for every 16 pixels; 722,496 parameters."""

    def __init__(self, weights: Mapping[str, Tensor] | None) -> None:
        """`weights` are the published ones; None leaves them as they are drawn."""
        super().__init__()
        self.network = SqueezeNet()
        stride = self.network.strides[-1]
        self.grid = Grid(stride, stride - 1)
        if weights is not None:
            self.network.load_published(weights)
            self.began(True)

    def forward(self, images: Tensor) -> Tensor:
        """fire9 after its ReLU."""
        return self.network.maps(prepared(images))[-1]


class AlexNetCells(CellFeatures):
    """fc7 of an AlexNet that knows ImageNet's labels: 4,096 numbers for every 32 pixels.

    57,003,840 parameters in torchvision's layout, 56,868,224 in Caffe's, which takes blue first and no deviation.
    """

    def __init__(self, layout: Layout, width: int, weights: Mapping[str, Tensor] | None) -> None:
        """`weights` are of this layout and of full `width`; None leaves them as they are drawn."""
        super().__init__()
        self.network = FcnAlexNet(layout, width=width)
        self._prepared = normalized if layout == "torchvision" else prepared
        self.grid = Grid(STRIDE, CELL)
        if weights is not None:
            self.network.load_published(weights)
            self.began(True)

    def forward(self, images: Tensor) -> Tensor:
        """fc7 after its ReLU."""
        return self.network.features(self._prepared(images))


def frozen_cells(
    features: Features, width: int, weights: Mapping[str, Mapping[str, Tensor]] | None
) -> FcnCells | SqueezeNetCells | AlexNetCells:
    """The network that `features` names: `weights` hold a trained `fcn` or, as `trunk`, a published network.

    FCN-32s: VGG-16 with a first padding of 100, fc6 4096 (7x7), fc7 4096 (1x1), channels divided by `width`;
    134,260,544 parameters. Without weights it is as it was drawn.
    """
    given = weights or {}
    if features == "squeezenet":
        return SqueezeNetCells(given.get("trunk"))
    if features != "fcn":
        return AlexNetCells("torchvision" if features == "alexnet" else "caffe", width, given.get("trunk"))
    return FcnCells(Fcn32(width=width, first_padding=100), given.get("fcn"))


def fcn_grid(extractor: Fcn32) -> Grid:
    """Where the cells of fc7 lie: 32 pixels apart, the first 31.5 - offset from the first pixel (12.5 with 100)."""
    return Grid(STRIDE, STRIDE - 0.5 - extractor.offset)


def load_fcn(extractor: Fcn32, weights: Mapping[str, Tensor]) -> None:
    """Take up the features of a trained plugin `fcn`."""
    extractor.load_state_dict({n.removeprefix(EXTRACTOR): t for n, t in weights.items() if n.startswith(EXTRACTOR)})
