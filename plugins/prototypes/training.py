"""PANet's two losses: the query by the support's prototypes, and the support by the query's (arXiv 1908.06391)."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from pipeline.layers.prototypes import PrototypeSegmenter, enlarged
from pipeline.layers.two_way import episode_losses, mean_iou, pixel_loss
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
        larger = enlarged(logits, _size(asked_masks))
        loss = pixel_loss(larger, asked_masks.long())
        aligned = alignment_loss(self.network, features, others, logits, shown_masks)
        return {
            "loss": loss + self.alignment * aligned,
            "query_loss": loss,
            "alignment_loss": aligned,
            "iou": mean_iou(larger, asked_masks),
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
    each = episode_losses(enlarged(network.compare(support, prototypes), _size(masks)), masks.long())
    return (each * (found == 1).any(2).any(1)).mean()


def _size(masks: Tensor) -> tuple[int, int]:
    return masks.shape[-2], masks.shape[-1]
