"""Training of the reconstruction: pixel cross entropy of the segmentor and of the prototypes, together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.two_way import labels, mean_iou
from pipeline.segmenter import VOID, Batch
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.pl_seg.model import PlSeg

Void = Literal["ignore", "background"]


class JointLoss(nn.Module):
    """The loss of episodes with one support and one query."""

    def __init__(self, network: "PlSeg", prototype_loss: float, void: Void) -> None:
        """`prototype_loss` weighs the softmax over negative distances; `void` says what void pixels of both masks are.

        Those that are ignored belong to no prototype.
        """
        super().__init__()
        self.network, self.prototype_loss, self.void = network, prototype_loss, void

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Cross entropy, the mean over all pixels that count; both its parts, and the mean IoU, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        truth = labels(query.masks, self.void)
        found = self.network(query.images, support.images, labels(support.masks, self.void))
        segmented, compared = (F.cross_entropy(logits, truth, ignore_index=VOID) for logits in found)
        loss = segmented + self.prototype_loss * compared
        return {"loss": loss, "segmented": segmented, "compared": compared, "iou": mean_iou(found[0], truth)}


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
        void: Void,
    ) -> None:
        """A batch of more than one episode needs images of one size."""
        super().__init__(
            JointLoss(network, prototype_loss, void),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                losses.parameters(), lr=learning_rate, momentum=momentum, weight_decay=decay
            ),
        )
