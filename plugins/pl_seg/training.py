"""Training of the reconstruction: pixel cross entropy of the segmentor and of the prototypes, together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import VOID, Batch
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.pl_seg.model import PlSeg


class JointLoss(nn.Module):
    """The loss of episodes with one support and one query."""

    def __init__(self, network: "PlSeg", prototype_loss: float) -> None:
        """`prototype_loss` is the weight of the softmax over negative distances."""
        super().__init__()
        self.network, self.prototype_loss = network, prototype_loss

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Cross entropy, the mean over all pixels but void ones; both its parts, and the pooled IoU, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        found = self.network(query.images, support.images, support.masks)
        truth = query.masks.long()
        segmented, compared = (F.cross_entropy(logits, truth, ignore_index=VOID) for logits in found)
        with torch.no_grad():
            here, true = (found[0][:, 1] > found[0][:, 0]) & (truth != VOID), truth == 1
            iou = (here & true).sum() / (here | true).sum().clamp(min=1)
        loss = segmented + self.prototype_loss * compared
        return {"loss": loss, "segmented": segmented, "compared": compared, "iou": iou}


class Segment(Supervised):
    """The one stage: SGD with one rate for all parameters."""

    def __init__(
        self,
        network: "PlSeg",
        *,
        samples: int,
        batch: int,
        learning_rate: float,
        momentum: float,
        decay: float,
        prototype_loss: float,
    ) -> None:
        """A batch of more than one episode needs images of one size."""
        super().__init__(
            JointLoss(network, prototype_loss),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                losses.parameters(), lr=learning_rate, momentum=momentum, weight_decay=decay
            ),
        )
