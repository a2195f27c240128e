"""PANet's two losses: the query by the support's prototypes, and the support by the query's (arXiv 1908.06391)."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.prototypes import PrototypeSegmenter, enlarged
from pipeline.segmenter import VOID, Batch

Void = Literal["ignore", "background"]


class AlignedLoss(nn.Module):
    """The loss of episodes with one support, one object and one query."""

    def __init__(self, network: PrototypeSegmenter, *, alignment: float, flip: bool, void: Void) -> None:
        """`alignment` weighs the second loss, `flip` mirrors every other image, `void` says what void pixels are."""
        super().__init__()
        self.network, self.alignment, self.flip, self.void = network, alignment, flip, void

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """The sum of both losses, each of them, and the mean IoU of the queries, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert support.masks is not None
        assert query.masks is not None
        shown, shown_masks = self._prepared(support.images, support.masks)
        asked, asked_masks = self._prepared(query.images, query.masks)
        features, others = self.network.embed(shown), self.network.embed(asked)
        logits = self.network.compare(others, self.network.pool(features, shown_masks, (0, 1)))
        loss = pixel_loss(logits, asked_masks)
        aligned = alignment_loss(self.network, features, others, logits, shown_masks)
        return {
            "loss": loss + self.alignment * aligned,
            "query_loss": loss,
            "alignment_loss": aligned,
            "iou": mean_iou(logits, asked_masks),
        }

    def _prepared(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Under the void rule, each image mirrored with a chance of a half; global generator."""
        if self.void == "background":
            masks = masks.masked_fill(masks == VOID, 0)
        if not self.flip:
            return images, masks
        turned = (torch.rand(len(images)) < 0.5).to(images.device)
        images = torch.where(turned[:, None, None, None], images.flip(3), images)
        return images, torch.where(turned[:, None, None], masks.flip(2), masks)


def alignment_loss(
    network: PrototypeSegmenter, support: Tensor, query: Tensor, logits: Tensor, masks: Tensor
) -> Tensor:
    """The roles changed: prototypes of the query as it was segmented, tried on the support's masks.

    Features (B, C, h, w) of both, logits (B, 2, h, w) of the query, masks (B, H, W). An episode in which nothing was
    found counts 0, as in the authors' code.
    """
    found = logits.argmax(1)
    prototypes = network.pool(query, found, (0, 1))
    each = _losses(network.compare(support, prototypes), masks)
    return (each * (found == 1).any(2).any(1)).mean()


def pixel_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean over episodes of the mean cross entropy of logits (B, 2, h, w) at the masks' size."""
    return _losses(logits, masks).mean()


def _losses(logits: Tensor, masks: Tensor) -> Tensor:
    """(B,): of masks (B, H, W) with 0, 1 and 255, which is left out."""
    height, width = masks.shape[-2:]
    each = F.cross_entropy(enlarged(logits, (height, width)), masks.long(), ignore_index=VOID, reduction="none")
    return each.sum((1, 2)) / (masks != VOID).sum((1, 2)).clamp(min=1)


@torch.no_grad()
def mean_iou(logits: Tensor, masks: Tensor) -> Tensor:
    """Over episodes, of logits (B, 2, h, w) at the masks' size; void is left out, an empty union counts 1."""
    height, width = masks.shape[-2:]
    found = enlarged(logits, (height, width)).argmax(1).bool() & (masks != VOID)
    union = (found | (masks == 1)).sum((1, 2))
    return torch.where(union > 0, (found & (masks == 1)).sum((1, 2)) / union.clamp(min=1), 1.0).mean()
