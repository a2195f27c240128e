"""Training on background and one object: labels under a void rule, the loss and IoU of two channels, rates by part."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import VOID

VoidRule = Literal["ignore", "background", "foreground"]


def labels(masks: Tensor, void: VoidRule) -> Tensor:
    """Masks (B, H, W) uint8 of 0, 1 and 255 -> int64 labels under a void rule; `ignore` leaves 255."""
    if void == "ignore":
        return masks.long()
    return masks.masked_fill(masks == VOID, 1 if void == "foreground" else 0).long()


def pixel_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Logits (B, 2, H, W) and labels (B, H, W) of 0, 1 and 255, which is left out -> the mean of the episodes' means.

    The mean over a whole batch is the same at a batch of one; here every episode weighs as much as it did.
    """
    return episode_losses(logits, truth).mean()


def episode_losses(logits: Tensor, truth: Tensor) -> Tensor:
    """The mean cross entropy of each episode, (B,)."""
    each = F.cross_entropy(logits, truth, ignore_index=VOID, reduction="none")
    return each.sum((1, 2)) / (truth != VOID).sum((1, 2)).clamp(min=1)


@torch.no_grad()
def mean_iou(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over episodes of the object's IoU, of the same; void is left out, an empty union counts 1."""
    found, true = (logits[:, 1] > logits[:, 0]) & (truth != VOID), truth == 1
    union = (found | true).sum((1, 2))
    return torch.where(union > 0, (found & true).sum((1, 2)) / union.clamp(min=1), 1.0).mean()


def rate_groups(
    module: nn.Module, learning_rate: float, parts: Mapping[str, float], bias: float
) -> list[dict[str, Any]]:
    """Every parameter in a group by its rate: times the factor of a part of that name, and times `bias` in biases."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        factor = bias if name.endswith("bias") else 1.0
        for part in name.split("."):
            factor *= parts.get(part, 1.0)
        groups.setdefault(factor, []).append(parameter)
    return [{"params": found, "lr": factor * learning_rate} for factor, found in sorted(groups.items())]
