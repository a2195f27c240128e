"""Training of OSLSM: cross entropy summed over the query's pixels, and rates by branch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import VOID, Batch
from pipeline.train.accumulated import Accumulated
from plugins.oslsm.pictures import VoidRule, objects

if TYPE_CHECKING:
    from plugins.oslsm.model import Oslsm

Reduction = Literal["sum", "mean"]


def pixel_loss(
    logits: Tensor, masks: Tensor, *, void: VoidRule, reduction: Reduction, object_weight: float = 1.0
) -> Tensor:
    """Sigmoid cross entropy of logits (B, H, W) and index masks (B, H, W) with one object.

    `sum`: over all pixels, divided by B, as in Caffe; `mean`: over the pixels of each episode, then over B. Void pixels
    are background, object, or left out; pixels of the object count `object_weight` times.
    """
    losses = F.binary_cross_entropy_with_logits(
        logits, objects(masks, 1, void).to(logits.dtype), reduction="none", pos_weight=logits.new_tensor(object_weight)
    )
    counted = masks != VOID if void == "ignore" else torch.ones_like(masks, dtype=torch.bool)
    total = (losses * counted).sum((1, 2))
    return total.mean() if reduction == "sum" else (total / counted.sum((1, 2)).clamp(min=1)).mean()


class SegmentationLoss(nn.Module):
    """The loss of a batch of episodes with one support and one query."""

    def __init__(self, network: "Oslsm", *, void: VoidRule, reduction: Reduction, object_weight: float) -> None:
        """Of `network`'s logits; `void` holds for support and query."""
        super().__init__()
        self.network, self.void, self.reduction, self.object_weight = network, void, reduction, object_weight

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss, and the mean IoU at 0.5 of the batch, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert query.masks is not None
        theta = self.network.condition(support, 1, self.void)
        logits = self.network.decide(self.network.look(query.images), theta.unsqueeze(1), query)[:, 0]
        loss = pixel_loss(
            logits, query.masks, void=self.void, reduction=self.reduction, object_weight=self.object_weight
        )
        with torch.no_grad():
            found, true = logits > 0, query.masks == 1
            union = (found | true).sum((1, 2))
            iou = torch.where(union > 0, (found & true).sum((1, 2)) / union.clamp(min=1), 1.0).mean()
        return {"loss": loss, "iou": iou}


class Segment(Accumulated):
    """The one stage: SGD at a fixed rate, by one group for the weights and one for the biases of each branch."""

    def __init__(
        self,
        network: "Oslsm",
        *,
        samples: int,
        batch: int,
        accumulate: int,
        learning_rate: float,
        conditioning_rate: float,
        bias_rate: float,
        momentum: float,
        decay: float,
        void: VoidRule,
        reduction: Reduction,
        object_weight: float,
    ) -> None:
        """One step for every `accumulate` batches, whose gradients are averaged: sizes may differ between them."""
        super().__init__(
            SegmentationLoss(network, void=void, reduction=reduction, object_weight=object_weight),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda _: torch.optim.SGD(
                rate_groups(network, learning_rate, conditioning_rate, bias_rate, decay), momentum=momentum
            ),
            accumulate=accumulate,
        )


def rate_groups(
    network: "Oslsm", learning_rate: float, conditioning_rate: float, bias_rate: float, decay: float
) -> list[dict[str, Any]]:
    """Four groups (specification, 4.1): rates 1 and 2 for weights and biases, times 0.1 in the conditioning branch.

    `decay` is of the weights alone.
    """
    groups = []
    for part, factor in ((network.conditioning, conditioning_rate), (network.segmentation, 1.0)):
        named = list(part.named_parameters())
        weights = [p for name, p in named if not name.endswith("bias")]
        biases = [p for name, p in named if name.endswith("bias")]
        groups.append({"params": weights, "lr": learning_rate * factor, "weight_decay": decay})
        groups.append({"params": biases, "lr": learning_rate * factor * bias_rate, "weight_decay": 0.0})
    return groups
