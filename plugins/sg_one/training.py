"""Training of SG-One: cross entropy of two channels, three void rules, and rates by group."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from pipeline.layers.two_way import VoidRule, labels, mean_iou, pixel_loss, rate_groups
from pipeline.segmenter import Batch
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.sg_one.model import SgOne

Channels = Literal["rgb", "bgr_training"]


class PixelLoss(nn.Module):
    """The loss of episodes with one support and one query each."""

    def __init__(self, network: "SgOne", void: VoidRule, channels: Channels = "rgb") -> None:
        """`void` says what void pixels of both masks are; those that are ignored are no part of a support's object.

        `bgr_training` shows the network blue where tests show it red, as the authors' loaders do.
        """
        super().__init__()
        self.network, self.void, self.channels = network, void, channels

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Mean cross entropy over the pixels of each episode, then over episodes; and the mean IoU, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        truth = labels(query.masks, self.void)
        images, supports = (f.images.flip(1) if self.channels == "bgr_training" else f.images for f in (query, support))
        logits = self.network(images, supports, labels(support.masks, self.void) == 1)
        return {"loss": pixel_loss(logits, truth), "iou": mean_iou(logits, truth)}


class Segment(Supervised):
    """The one stage: SGD at a constant rate."""

    def __init__(
        self,
        network: "SgOne",
        *,
        samples: int,
        batch: int,
        learning_rate: float,
        guide_rate: float,
        bias_rate: float,
        momentum: float,
        decay: float,
        void: VoidRule,
        channels: Channels,
    ) -> None:
        """`decay` is that of all parameters, biases too; a batch needs images of one size."""
        super().__init__(
            PixelLoss(network, void, channels),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                rate_groups(losses, learning_rate, {"guide": guide_rate}, bias_rate),
                momentum=momentum,
                weight_decay=decay,
            ),
        )
