"""Training of co-FCN: pixel cross entropy, by SGD at a constant rate (specification of both shapes)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.two_way import labels, mean_iou, rate_groups
from pipeline.segmenter import VOID, Batch
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.cofcn.model import CoFcn

Void = Literal["ignore", "background"]


class PixelLoss(nn.Module):
    """The loss of episodes with one support and one query."""

    def __init__(self, network: "CoFcn", void: Void) -> None:
        """`void` says what void pixels of both masks are; those that are ignored are in neither of a support's maps."""
        super().__init__()
        self.network, self.void = network, void

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Cross entropy of two classes, the mean over all pixels that count; and the mean IoU, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        truth = labels(query.masks, self.void)
        logits = self.network(query.images, support.images, labels(support.masks, self.void))
        return {"loss": F.cross_entropy(logits, truth, ignore_index=VOID), "iou": mean_iou(logits, truth)}


class Segment(Supervised):
    """The one stage; every parameter decays, biases too."""

    def __init__(
        self,
        network: "CoFcn",
        *,
        samples: int,
        batch: int,
        learning_rate: float,
        conv_rate: float,
        bias_rate: float,
        momentum: float,
        decay: float,
        void: Void,
    ) -> None:
        """A batch of more than one episode needs images of one size."""
        super().__init__(
            PixelLoss(network, void),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                rate_groups(losses, learning_rate, {"conv": conv_rate}, bias_rate),
                momentum=momentum,
                weight_decay=decay,
            ),
        )
