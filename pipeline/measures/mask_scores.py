"""Scores of predicted against true index masks, an image each: IoU as OSMIS's script grades it, IoU, accuracy."""

from dataclasses import dataclass

import torch
from torch import Tensor

SMOOTH = 1e-6
"""Added to intersection and union: a class that neither mask has counts as found."""


@dataclass(frozen=True)
class MaskScores:
    """Of n images, float64 (n,) each, in [0, 1]."""

    staircase: Tensor
    """Mean over classes of the graded IoU: what the paper calls mIoU."""
    plain: Tensor
    """Mean over classes of the IoU."""
    accuracy: Tensor
    """Share of pixels."""

    @classmethod
    def joined(cls, parts: list["MaskScores"]) -> "MaskScores":
        """Of all images of `parts`, in their order."""
        return cls(*(torch.cat([getattr(p, name) for p in parts]) for name in ("staircase", "plain", "accuracy")))


def graded(iou: Tensor) -> Tensor:
    """The staircase: nothing up to an IoU of 0.5, then a tenth for every 0.05 begun; all above 0.95."""
    steps = (20 * (iou - 0.5)).clamp(0, 10)
    return (steps - 1e-9).ceil() / 10  # 0.9 is eight steps, whatever 20 * (0.9 - 0.5) rounds to


def mask_scores(found: Tensor, truth: Tensor, classes: int) -> MaskScores:
    """Index masks (n, H, W), scored over the ids 0 to `classes` - 1, whether an image has them or not."""
    ids = torch.arange(classes, device=found.device)[:, None, None]
    one, other = found[:, None] == ids, truth[:, None] == ids
    both = (one & other).sum((2, 3)).double()
    iou = (both + SMOOTH) / ((one | other).sum((2, 3)) + SMOOTH)
    return MaskScores(graded(iou).mean(1), iou.mean(1), (found == truth).double().mean((1, 2)))
