"""AlexNet in two layouts, as a classifier and as a fully convolutional network up to fc7.

`caffe` is Caffe's reference network: two groups in conv2, conv4 and conv5, responses normalized after the first two
poolings. `torchvision` is Krizhevsky's later one (arXiv 1404.5997) without groups and normalization, narrower at first;
tensors of both have torchvision's names (`features.0` .. `features.10`, `classifier.1`, `.4`, `.6`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.fcn32 import dense_convolution, upsample
from pipeline.layers.published import take
from pipeline.layers.vgg16_classifier import dense

Layout = Literal["caffe", "torchvision"]
KERNEL, OFFSET = 63, 18
"""Of FCN-AlexNet's transposed convolution, and its crop."""
CELL = 13
"""FCN-AlexNet's cell i is centred on pixel 32 i + 13 (first padding 100)."""


@dataclass(frozen=True)
class Plan:
    """What tells one layout from the other."""

    channels: tuple[int, int, int, int, int]
    groups: tuple[int, int, int, int, int]
    padding: int
    """Of conv1, as a classifier."""
    normalized: bool
    ceil: bool
    """Whether pooling rounds sides up."""


PLANS: dict[Layout, Plan] = {
    "caffe": Plan((96, 256, 384, 384, 256), (1, 2, 1, 2, 2), padding=0, normalized=True, ceil=True),
    "torchvision": Plan((64, 192, 384, 256, 256), (1, 1, 1, 1, 1), padding=2, normalized=False, ceil=False),
}
NAMES = ("0", "3", "6", "8", "10")
"""Torchvision's, of conv1 to conv5."""


class AlexNet(nn.Module):
    """The five convolutions: pictures (B, 3, 224, 224) -> pool5 (B, 256, 6, 6)."""

    def __init__(self, layout: Layout, *, width: int = 1, first_padding: int | None = None) -> None:
        """Channels divided by `width`; with a `first_padding` of its own it is fully convolutional and rounds up."""
        super().__init__()
        plan = PLANS[layout]
        self.layout, self.normalized, self.ceil = layout, plan.normalized, plan.ceil or first_padding is not None
        self.channels = tuple(channels // width for channels in plan.channels)
        padding = plan.padding if first_padding is None else first_padding
        one, two, three, four, five = self.channels
        g = plan.groups
        self.features = nn.ModuleDict(
            {
                "0": nn.Conv2d(3, one, 11, stride=4, padding=padding, groups=g[0]),
                "3": nn.Conv2d(one, two, 5, padding=2, groups=g[1]),
                "6": nn.Conv2d(two, three, 3, padding=1, groups=g[2]),
                "8": nn.Conv2d(three, four, 3, padding=1, groups=g[3]),
                "10": nn.Conv2d(four, five, 3, padding=1, groups=g[4]),
            }
        )
        for name, parameter in self.features.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
            else:
                nn.init.zeros_(parameter)

    def forward(self, pictures: Tensor) -> Tensor:
        """Maxima of 3x3 cells, two apart, after conv1, conv2 and conv5."""
        return self._pooled(self.maps(pictures)[-1])

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """The outputs of conv1 to conv5, after ReLU."""
        found: list[Tensor] = []
        x = pictures
        for number, name in enumerate(NAMES):
            if number in (1, 2):
                x = self._evened(self._pooled(x))
            x = F.relu(self.features[name](x))
            found.append(x)
        return found

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up tensors of this layout; `UserError` where they are those of another network."""
        for name in NAMES:
            layer = self.features[name]
            assert isinstance(layer, nn.Conv2d)
            take(layer, weights, f"features.{name}", self.title)

    @property
    def title(self) -> str:
        """What error messages call it."""
        return f"AlexNet in {self.layout}'s layout"

    def _pooled(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 2, ceil_mode=self.ceil)

    def _evened(self, x: Tensor) -> Tensor:
        return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0) if self.normalized else x


class AlexNetClassifier(nn.Module):
    """Pictures (B, 3, `side`, `side`) -> scores (B, `classes`); 60,965,224 parameters (caffe), 61,100,840."""

    def __init__(self, layout: Layout, *, width: int = 1, side: int = 224, classes: int = 1000) -> None:
        """Channels divided by `width`; a side of 64 is the smallest that leaves a cell in either layout."""
        super().__init__()
        self.alexnet = AlexNet(layout, width=width)
        cells, hidden = _cells(side, PLANS[layout]), 4096 // width
        self.fc6 = dense(self.alexnet.channels[-1] * cells * cells, hidden)
        self.fc7 = dense(hidden, hidden)
        self.fc8 = dense(hidden, classes, "linear")

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores before any softmax; dropout of half of fc6 and of fc7 while training."""
        x = F.dropout(F.relu(self.fc6(self.alexnet(pictures).flatten(1))), 0.5, self.training)
        x = F.dropout(F.relu(self.fc7(x)), 0.5, self.training)
        scores: Tensor = self.fc8(x)
        return scores

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up tensors of this layout; `UserError` where they are those of another network."""
        self.alexnet.load_published(weights)
        for layer, number in ((self.fc6, 1), (self.fc7, 4), (self.fc8, 6)):
            take(layer, weights, f"classifier.{number}", self.alexnet.title)


class FcnAlexNet(nn.Module):
    """FCN-AlexNet up to fc7: pictures (B, 3, H, W) -> (B, 4096, h, w); 500x500 pixels become 16x16 cells.

    Parameters: 56,868,224 (caffe), 57,003,840 (torchvision).
    """

    def __init__(self, layout: Layout, *, width: int = 1) -> None:
        """Channels divided by `width`; conv1 pads by 100, as FCN's does."""
        super().__init__()
        self.alexnet = AlexNet(layout, width=width, first_padding=100)
        self.outputs = 4096 // width
        """Channels of fc7."""
        self.fc6 = dense_convolution(self.alexnet.channels[-1], self.outputs, 6)
        self.fc7 = dense_convolution(self.outputs, self.outputs, 1)

    def features(self, pictures: Tensor) -> Tensor:
        """fc7 of normalized pictures; dropout of half of fc6 and of fc7 while training."""
        x = F.dropout(F.relu(self.fc6(self.alexnet(pictures))), 0.5, self.training)
        return F.dropout(F.relu(self.fc7(x)), 0.5, self.training)

    def enlarge(self, cells: Tensor, height: int, width: int) -> Tensor:
        """What was read from fc7, (B, C, h, w), at the size of the picture: float32 (B, C, `height`, `width`)."""
        return upsample(cells, height, width, OFFSET, KERNEL)

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up tensors of this layout, fc6 and fc7 as convolutions; `UserError` where they are another network's."""
        self.alexnet.load_published(weights)
        take(self.fc6, weights, "classifier.1", self.alexnet.title)
        take(self.fc7, weights, "classifier.4", self.alexnet.title)


def _cells(side: int, plan: Plan) -> int:
    """Cells of a side at pool5."""
    cells = (side + 2 * plan.padding - 11) // 4 + 1
    for _ in range(3):
        cells = -(-(cells - 3) // 2) + 1 if plan.ceil else (cells - 3) // 2 + 1
    return cells
