"""HSNet: squeeze the correlations of all intermediate features by 4-D convolutions (arXiv 2104.01538).

At full width images of 3x400x400 give maps of 12x12, 25x25 and 50x50 places (strides 32, 16 and 8), hypercorrelations
of 1x12x12x12x12, 3x25x25x25x25 and 3x50x50x50x50 (VGG-16), an encoding of 128x50x50, and logits of 2x100x100, which
are enlarged to the query's size. The learner's 2,570,018 parameters are trained, the backbone's 14,714,688 are not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.one_by_one import OneByOne, showing
from pipeline.segmenter import Frame
from plugins.hsnet.pyramids import Backbone, Maps, Pyramid, pyramid
from plugins.hsnet.squeeze import GROUPS, Learner, hypercorrelation
from plugins.hsnet.training import Segment, Void


def build(
    *,
    backbone: Backbone = "vgg16",
    width: int = 1,
    side: int = 400,
    otherwise: Literal["trained", "frozen"] = "trained",
    void_train: Void = "background",
    samples: int = 400_000,
    accumulate: int = 20,
    learning_rate: float = 1e-3,
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "HsNet":
    """The whole network with its numbers, and its one stage of training.

    `weights["trunk"]` are the backbone's, torchvision's VGG-16 or the public SqueezeNet, of use at full width alone;
    it is frozen then. Without them it is trained with the rest, or frozen as it was drawn, as `otherwise` says. One
    update takes `accumulate` episodes.
    """
    trunk = pyramid(backbone, width=width, weights=(weights or {}).get("trunk"))
    few, more, most = (max(GROUPS, channels // width) for channels in (16, 64, 128))
    network = HsNet(trunk, Learner(trunk.layers, (few, more, most)), side=side)
    network.stages = (
        Segment(
            network,
            samples=samples,
            accumulate=accumulate,
            learning_rate=learning_rate,
            void=void_train,
            train_trunk=otherwise == "trained",
        ),
    )
    return network


class Shown(NamedTuple):
    """A support that shows an object."""

    frame: Frame
    """Of one episode; its masks (1, H, W) uint8 are 1 where the object is, else 0."""
    maps: Maps


class HsNet(OneByOne[list[list[Shown]]]):
    """Segments by how each place of the query correlates with the places of the support's object."""

    def __init__(self, pyramid: Pyramid, learner: Learner, *, side: int) -> None:
        """Images are warped to squares of `side` pixels before they are looked at."""
        super().__init__()
        self.pyramid, self.learner, self.side = pyramid, learner, side
        self.trunk = pyramid.trunk

    def forward(self, images: Tensor, supports: Tensor, masks: Tensor) -> Tensor:
        """Queries (B, 3, H, W) and supports (B, 3, h, w), uint8, masks (B, h, w) of 0 and 1 -> logits (B, 2, H, W)."""
        logits = self.compare(self.look(images), self.look(supports), masks)
        return enlarged(logits, (images.shape[-2], images.shape[-1]))

    def look(self, images: Tensor) -> Maps:
        """Every intermediate map of images (B, 3, H, W) uint8."""
        square = images.float()
        if images.shape[-2:] != (self.side, self.side):
            square = F.interpolate(square, (self.side, self.side), mode="bilinear", antialias=True)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_trunk):
            maps: Maps = self.pyramid(square)
        return maps

    def compare(self, queries: Maps, supports: Maps, masks: Tensor) -> Tensor:
        """Correlate the query with what lies under masks (B, H, W), and squeeze: logits (B, 2, ., .) at stride 4."""
        inside = F.interpolate(masks.unsqueeze(1).float(), (self.side, self.side), mode="nearest-exact")
        pairs = zip(queries, supports, strict=True)
        logits: Tensor = self.learner([hypercorrelation(own, _masked(other, inside)) for own, other in pairs])
        return logits.float()

    @property
    def trains_trunk(self) -> bool:
        """Whether gradients reach the backbone."""
        return any(p.requires_grad for p in self.pyramid.parameters())

    def learn(self, supports: Sequence[Frame], objects: int) -> list[list[Shown]]:
        """For each object the supports that show it."""
        numbers = range(1, objects + 1)
        return [
            [Shown(replace(f, masks=mask.to(torch.uint8)), self._maps(f)) for f, mask in showing(supports, number)]
            for number in numbers
        ]

    def answer(self, known: list[list[Shown]], query: Frame) -> Tensor:
        """Each object by itself, (1, O, H, W): its probability by one support, 0 or 1 by the vote of several.

        0 where no support shows it.
        """
        return torch.stack([self._probability(query, shown) for shown in known], 1)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the backbone came."""
        super().load_weights(weights)
        self.trunk = self.pyramid.trunk

    def _maps(self, frame: Frame) -> Maps:
        return self.remember("maps", frame, lambda: self.look(frame.images))

    def _probability(self, query: Frame, shown: Sequence[Shown]) -> Tensor:
        """(1, H, W) of one query."""
        size = (query.images.shape[-2], query.images.shape[-1])
        each = [enlarged(self._compared(query, support), size).softmax(1)[:, 1] for support in shown]
        if not each:
            return query.images.new_zeros((1, *size), dtype=torch.float32)
        return each[0] if len(each) == 1 else voted(torch.stack(each))

    def _compared(self, query: Frame, support: Shown) -> Tensor:
        """Logits (1, 2, ., .) of a pair; the first shot of five was asked for by itself before."""
        masks = support.frame.masks
        assert masks is not None
        ids = (*query.ids, *support.frame.ids) if query.ids and support.frame.ids else ()
        pair = Frame(query.images, masks, ids)
        return self.remember("logits", pair, lambda: self.compare(self._maps(query), support.maps, masks), masks=True)


def voted(probabilities: Tensor) -> Tensor:
    """K maps (K, B, H, W) -> (B, H, W) of 0 and 1: at least half as many votes as the place that has most of them.

    A vote is a probability above a half; where no place has any, all are 0 (paper, extension to K shots).
    """
    votes = (probabilities > 0.5).float().sum(0)
    most = votes.amax((1, 2), keepdim=True).clamp(min=1)
    return (votes / most >= 0.5).float()


def enlarged(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits (B, 2, h, w) -> (B, 2, *size), bilinearly from corner to corner."""
    return F.interpolate(logits, size, mode="bilinear", align_corners=True)


def _masked(maps: Sequence[Tensor], inside: Tensor) -> list[Tensor]:
    """Maps (B, C, h, w) times masks (B, 1, H, W), shrunk bilinearly from corner to corner."""
    return [x * F.interpolate(inside, x.shape[-2:], mode="bilinear", align_corners=True) for x in maps]
