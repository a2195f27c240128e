"""Base training: RePRI's features come from plain semantic segmentation of the base classes (arXiv 2012.06166, 3.1)."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.repri.cells import pictured
from pipeline.segmenter import VOID, Batch
from plugins.repri.network import PspNet


class PixelLoss(nn.Module):
    """Cross entropy with label smoothing over the pixels of the one query that are not void."""

    def __init__(self, network: PspNet, *, smoothing: float, flip: bool) -> None:
        """`flip` mirrors images along either axis, each with a chance of a half."""
        super().__init__()
        self.network, self.smoothing, self.flip = network, smoothing, flip

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss, and the share of pixels that are right, to watch."""
        (query,) = batch.queries
        masks = query.masks
        assert masks is not None
        images, masks = flipped(query.images, masks) if self.flip else (query.images, masks)
        logits, labels = self.network.logits(images).float(), masks.long()
        counted = labels != VOID
        losses = F.cross_entropy(logits, labels, ignore_index=VOID, label_smoothing=self.smoothing, reduction="sum")
        right = (logits.argmax(1) == labels) & counted
        total = counted.sum().clamp(min=1)
        return {"loss": losses / total, "accuracy": right.sum() / total}


def flipped(images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, 3, H, W) and masks (B, H, W), each mirrored up-down and left-right with a chance of a half each.

    The protocol's padding stays at the bottom and on the right. Draws from the global generator.
    """
    height, width = masks.shape[-2:]
    sides = pictured(images)
    turns = (torch.rand(2, len(images)) < 0.5).to(images.device)
    rows, columns = (_order(n, sides[:, k], turns[k]) for k, n in enumerate((height, width)))
    flat = (rows[:, :, None] * width + columns[:, None]).flatten(1)
    moved = images.flatten(2).gather(2, flat[:, None].expand(-1, 3, -1)).view_as(images)
    return moved, masks.flatten(1).gather(1, flat).view_as(masks)


def cosine(learning_rate: float, least: float, seen: float) -> float:
    """The factor of `learning_rate` that falls along half a cosine to a rate of `least`."""
    return (least + (learning_rate - least) * (1 + math.cos(math.pi * seen)) / 2) / learning_rate


def _order(length: int, sides: Tensor, turned: Tensor) -> Tensor:
    """(B, length) where each place comes from: of the first `sides` in reverse order where `turned`."""
    places = torch.arange(length, device=sides.device)[None]
    reverse = sides[:, None] - 1 - places
    return torch.where(turned[:, None] & (reverse >= 0), reverse, places)
