"""Training of dense matching: pairs of cells of a query and a support, the same label or not."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.cells import warped
from pipeline.layers.fcn_classifier import VoidTrain
from pipeline.segmenter import VOID, Batch, Frame
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.siamese_dense.model import SiameseDense


class PairLoss(nn.Module):
    """Binary cross entropy of "same label?" over pairs of cells, averaged."""

    def __init__(self, network: "SiameseDense", *, share: float, void: VoidTrain) -> None:
        """A random `share` of the cells of either image are compared; void ones are background or left out."""
        super().__init__()
        self.network, self.share, self.void = network, share, void

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss, averaged over the episodes; and the share of pairs that were told right, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        maps = [self._look(frame) for frame in (query, support)]
        losses, right = [], []
        for b in range(len(query.images)):
            (found, wanted), (given, named) = (
                self._drawn(cells[b], frame.part(slice(b, b + 1)))
                for cells, frame in zip(maps, (query, support), strict=True)
            )
            logits = self.network.metric(found, given)
            same = (wanted[:, None] == named).to(logits)
            losses.append(F.binary_cross_entropy_with_logits(logits, same))
            right.append(((logits.detach() > 0) == (same > 0)).float().mean())
        return {"loss": torch.stack(losses).mean(), "right": torch.stack(right).mean()}

    def _look(self, frame: Frame) -> Tensor:
        """Features (B, C, h, w) of the frame's images."""
        maps: Tensor = self.network.features(warped(frame.images, self.network.side))
        return maps.float()

    def _drawn(self, cells: Tensor, frame: Frame) -> tuple[Tensor, Tensor]:
        """Some cells (n, C) of the map (C, h, w) of one image, and their labels (n,): at least one."""
        labels = self.network.labels(frame, (cells.shape[1], cells.shape[2])).flatten()
        if self.void == "background":
            labels = labels.masked_fill(labels == VOID, 0)
        counted = (labels != VOID).nonzero()[:, 0]
        if len(counted) == 0:  # all void: nothing to learn, but nothing to break either
            labels, counted = torch.zeros_like(labels), torch.arange(len(labels), device=labels.device)
        order = torch.randperm(len(counted), device=labels.device)
        chosen = counted[order[: max(round(len(counted) * self.share), 1)]]
        return cells.flatten(1).T[chosen], labels[chosen]


def match_stage(
    losses: PairLoss, *, samples: int, batch: int, learning_rate: float, metric_rate: float, momentum: float
) -> Supervised:
    """The one stage `match`: stochastic gradient descent, the metric at a rate of its own."""

    def optimizer(_: nn.Module) -> torch.optim.Optimizer:
        features, metric = losses.network.features, losses.network.metric
        groups = [
            {"params": list(features.parameters()), "lr": learning_rate},
            {"params": list(metric.parameters()), "lr": metric_rate},
        ]
        return torch.optim.SGD(groups, momentum=momentum)

    return Supervised(losses, name="match", samples=samples, batch=batch, optimizer=optimizer)
