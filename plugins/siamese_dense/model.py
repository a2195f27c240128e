"""Siamese network for dense matching (OSLSM, arXiv 1709.03410, section 5 and appendix).

Two FCN-32s that share their weights describe the cells of support and query: VGG-16 with a first padding of 100 -> fc6
4096 (7x7) -> fc7 4096 (1x1). A weighted L1 distance says whether two cells have the same label. Parameters:
134,260,544 + 4,097 = 134,264,641.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.layers.cell_features import FcnCells
from pipeline.layers.cell_segmenter import CellSegmenter
from pipeline.layers.cells import Upsampling
from pipeline.layers.fcn32 import Fcn32
from pipeline.layers.fcn_classifier import VoidTrain
from plugins.siamese_dense.training import PairLoss, match_stage


def build(
    *,
    width: int = 1,
    side: int | None = 500,
    samples: int = 60_000,
    batch: int = 1,
    learning_rate: float = 1e-4,
    metric_rate: float = 1e-3,
    momentum: float = 0.9,
    pair_share: float = 0.5,
    support_share: float = 0.3,
    void_train: VoidTrain = "background",
    upsampling: Upsampling = "bilinear",
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "SiameseDense":
    """The whole network with its numbers, and its one stage; `weights` may hold torchvision's VGG-16 as `trunk`.

    Those are of use at full width alone; without them the trunk is trained from scratch. `pair_share` of the cells of
    either image are compared in training, `support_share` of those of several supports in evaluation.
    """
    extractor = Fcn32(width=width, first_padding=100)
    features = FcnCells(extractor, None)
    if width == 1 and weights and "trunk" in weights:
        extractor.load_torchvision(weights["trunk"])
        features.began(True)
    network = SiameseDense(
        features, Metric(extractor.outputs), side=side, upsampling=upsampling, support_share=support_share
    )
    losses = PairLoss(network, share=pair_share, void=void_train)
    network.stages = (
        match_stage(
            losses,
            samples=samples,
            batch=batch,
            learning_rate=learning_rate,
            metric_rate=metric_rate,
            momentum=momentum,
        ),
    )
    return network


class Metric(nn.Module):
    """Logit that two cells have the same label: sum_d alpha_d |f_d(q) - f_d(s)| + beta."""

    def __init__(self, channels: int) -> None:
        """Starts as 1 minus the mean distance, so that the nearest cell is the most similar one from the first.

        Most pairs have the same label: without the 1, the first steps would raise alpha above 0 and turn that round.
        """
        super().__init__()
        self.alpha = nn.Parameter(torch.full((channels,), -1 / channels))
        self.beta = nn.Parameter(torch.ones(()))

    def forward(self, queries: Tensor, supports: Tensor) -> Tensor:
        """Cells (n, C) and (m, C) -> logits (n, m), without a table of n x m x C numbers.

        Scaled by |alpha|, cells are as far apart as alpha weighs them; what adds to the logit is summed apart from what
        takes from it.
        """
        logits: Tensor = self.beta
        for sign in (1, -1):
            chosen = self.alpha * sign > 0
            scale = self.alpha[chosen]
            logits = logits + sign * torch.cdist(queries[:, chosen] * scale, supports[:, chosen] * scale, p=1)
        return logits


class Known(NamedTuple):
    """The cells of an episode's supports."""

    cells: Tensor
    """(m, C)."""
    objects: Tensor
    """(O, m): 1 where a cell shows the object, else 0."""


class SiameseDense(CellSegmenter):
    """Every cell of the query takes the label of the most similar cell of the supports."""

    features: FcnCells

    def __init__(
        self, features: FcnCells, metric: Metric, *, side: int | None, upsampling: Upsampling, support_share: float
    ) -> None:
        """One network describes supports and queries."""
        super().__init__(features, side=side, upsampling=upsampling, share=support_share)
        self.metric = metric
        self.train()

    def train(self, mode: bool = True) -> "SiameseDense":
        """As any module, but for the features, which drop nothing: two cells that are alike must not differ."""
        super().train(mode)
        self.features.eval()
        return self

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and what the trunk's began as."""
        super().load_weights(weights)
        self.features.began(bool(self.features.get_buffer("pretrained")))
        self.trunk = self.features.trunk

    def learn(self, cells: Tensor, labels: Tensor, objects: int) -> Known:
        """Keep the cells."""
        numbers = torch.arange(1, objects + 1, device=labels.device)
        return Known(cells, (labels == numbers[:, None]).to(cells.dtype))

    def answer(self, known: Known, cells: Tensor) -> Tensor:
        """1 where the most similar support cell shows the object, else 0."""
        return known.objects[:, self.metric(cells, known.cells).argmax(1)]
