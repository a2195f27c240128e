"""Training of SG-One: cross entropy of two channels, three void rules, and rates by group."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import VOID, Batch
from pipeline.train.supervised import Supervised

if TYPE_CHECKING:
    from plugins.sg_one.model import SgOne

Void = Literal["ignore", "background", "foreground"]
Channels = Literal["rgb", "bgr_training"]


class PixelLoss(nn.Module):
    """The loss of episodes with one support and one query each."""

    def __init__(self, network: "SgOne", void: Void, channels: Channels = "rgb") -> None:
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
        with torch.no_grad():
            counted, found = truth != VOID, logits[:, 1] > logits[:, 0]
            union = ((found | (truth == 1)) & counted).sum((1, 2))
            iou = torch.where(union > 0, (found & (truth == 1)).sum((1, 2)) / union.clamp(min=1), 1.0).mean()
        return {"loss": pixel_loss(logits, truth), "iou": iou}


def pixel_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Logits (B, 2, H, W) and labels (B, H, W) of 0, 1 and 255, which is left out -> the mean of the episodes' means.

    The authors' mean over a whole batch is the same at a batch of one; here every episode weighs as much as it did.
    """
    each = F.cross_entropy(logits, truth, ignore_index=VOID, reduction="none")
    return (each.sum((1, 2)) / (truth != VOID).sum((1, 2)).clamp(min=1)).mean()


def labels(masks: Tensor, void: Void) -> Tensor:
    """Masks (B, H, W) uint8 of 0, 1 and 255 -> int64 labels under a void rule; `ignore` leaves 255."""
    if void == "ignore":
        return masks.long()
    return masks.masked_fill(masks == VOID, 1 if void == "foreground" else 0).long()


def rate_groups(module: nn.Module, learning_rate: float, guide: float, bias: float) -> list[dict[str, Any]]:
    """Every parameter in a group by its rate: that of weights, times `guide` in the convolution g, `bias` in biases."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        factor = (guide if "guide" in name.split(".") else 1.0) * (bias if name.endswith("bias") else 1.0)
        groups.setdefault(factor, []).append(parameter)
    return [{"params": found, "lr": factor * learning_rate} for factor, found in sorted(groups.items())]


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
        void: Void,
        channels: Channels,
    ) -> None:
        """`decay` is that of all parameters, biases too; a batch needs images of one size."""
        super().__init__(
            PixelLoss(network, void, channels),
            name="segment",
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.SGD(
                rate_groups(losses, learning_rate, guide_rate, bias_rate), momentum=momentum, weight_decay=decay
            ),
        )
