"""Training of HSNet: cross entropy, Adam at a constant rate, the backbone frozen."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import VOID, Batch
from pipeline.train.accumulated import Accumulated

if TYPE_CHECKING:
    from plugins.hsnet.model import HsNet

Void = Literal["ignore", "background"]


class PixelCrossEntropy(nn.Module):
    """The loss of episodes with one support, one object and one query."""

    def __init__(self, network: "HsNet", void: Void) -> None:
        """`void` says what void pixels of the query are; those of a support are never part of its object."""
        super().__init__()
        self.network, self.void = network, void

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Mean cross entropy over the pixels of each episode, then over episodes; and the mean IoU, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        truth = query.masks if self.void == "ignore" else query.masks.masked_fill(query.masks == VOID, 0)
        logits = self.network(query.images, support.images, support.masks == 1)
        counted = truth != VOID
        each = F.cross_entropy(logits, truth.long(), ignore_index=VOID, reduction="none").sum((1, 2))
        with torch.no_grad():
            found, true = (logits[:, 1] > logits[:, 0]) & counted, truth == 1
            union = (found | true).sum((1, 2))
            iou = torch.where(union > 0, (found & true).sum((1, 2)) / union.clamp(min=1), 1.0).mean()
        return {"loss": (each / counted.sum((1, 2)).clamp(min=1)).mean(), "iou": iou}


class Segment(Accumulated):
    """The one stage: an update of Adam for every few episodes, which may differ in size."""

    def __init__(
        self,
        network: "HsNet",
        *,
        samples: int,
        accumulate: int,
        learning_rate: float,
        void: Void,
        train_trunk: bool,
    ) -> None:
        """A pretrained backbone is frozen whatever `train_trunk` says."""
        super().__init__(
            PixelCrossEntropy(network, void),
            name="segment",
            samples=samples,
            batch=1,
            optimizer=lambda losses: torch.optim.Adam(
                [p for p in losses.parameters() if p.requires_grad], lr=learning_rate
            ),
            accumulate=accumulate,
        )
        self._network, self._train_trunk = network, train_trunk

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Freeze or free the backbone."""
        trunk = self._network.pyramid
        trunk.requires_grad_(self._train_trunk and self._network.trunk != "pretrained")
        super().setup(device, dtype)
