"""Training of STM: clips of three frames, first of single images, then of videos (arXiv 1904.00607, section 3.3)."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import BACKGROUND, VOID, Batch, Frame
from pipeline.train.accumulated import Accumulated
from plugins.stm.bank import numbered
from plugins.stm.clips import cropped, made
from plugins.stm.network import Network, joined

Kind = Literal["static", "video"]


def clip_loss(network: Network, images: Tensor, masks: Tensor, objects: int) -> tuple[Tensor, Tensor]:
    """Clips (B, T, 3, H, W) of 0 to 255 with index masks (B, T, H, W) -> the loss, and the last frame's logits.

    Frame 0 is memorized with its mask, each later one is segmented, compared (mean cross entropy over its pixels) and
    memorized as it was segmented.
    """
    memory = [network.memorize(images[:, 0], one_hot(masks[:, 0], objects))]
    losses = []
    for t in range(1, images.shape[1]):
        logits = network.segment(images[:, t], joined(memory))
        losses.append(F.cross_entropy(logits, masks[:, t].long(), ignore_index=VOID))
        if t + 1 < images.shape[1]:
            memory.append(network.memorize(images[:, t], logits.softmax(1)[:, 1:]))
    return torch.stack(losses).mean(), logits


def one_hot(masks: Tensor, objects: int) -> Tensor:
    """Index masks (B, H, W) -> (B, O, H, W) of 0 and 1; void is no object."""
    numbers = torch.arange(1, objects + 1, device=masks.device)
    return (masks.unsqueeze(1) == numbers[:, None, None]).float()


def followed(masks: Tensor) -> Tensor:
    """Index masks (T, H, W) of a clip: objects that its first frame shows become 1, 2, ..., all else background."""
    shown = [number for number in torch.unique(masks[0]).tolist() if number not in (BACKGROUND, VOID)]
    return numbered(masks, shown)


class ClipLoss(nn.Module):
    """Makes clips of training episodes, and scores the network on the objects that their crops start with."""

    def __init__(self, network: Network, kind: Kind, side: int) -> None:
        """Crops are squares of `side` pixels."""
        super().__init__()
        self.network, self.kind, self.side = network, kind, side

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """The loss over both segmented frames; the IoU of objects in the last, to watch."""
        frames = [*batch.supports.frames, *batch.queries]
        clips = [self._clip([f.part(slice(b, b + 1)) for f in frames]) for b in range(len(frames[0].images))]
        images, masks = torch.stack([c[0] for c in clips]), torch.stack([followed(c[1]) for c in clips])
        objects = max(1, int(masks.max()))
        loss, logits = clip_loss(self.network, images, masks, objects)
        with torch.no_grad():
            found, true = one_hot(logits.argmax(1), objects), one_hot(masks[:, -1], objects)
            union = torch.maximum(found, true).sum((2, 3))
            iou = torch.where(union > 0, (found * true).sum((2, 3)) / union.clamp(min=1), 1.0).mean()
        return {"loss": loss, "iou": iou}

    def _clip(self, frames: list[Frame]) -> tuple[Tensor, Tensor]:
        masks = [frame.masks for frame in frames if frame.masks is not None]
        if self.kind == "static":
            return made(frames[0].images[0], masks[0][0], self.side)
        return cropped(torch.cat([frame.images for frame in frames]), torch.cat(masks), self.side)


class Clips(Accumulated):
    """One stage: Adam at a constant rate on clips of one kind."""

    def __init__(
        self,
        network: Network,
        kind: Kind,
        *,
        side: int,
        samples: int,
        accumulate: int,
        learning_rate: float,
    ) -> None:
        """An update takes `accumulate` clips, one by one: they differ in size and in their number of objects."""
        data = {"static": "static/train", "video": "davis17_train/train"}[kind]
        super().__init__(
            ClipLoss(network, kind, side),
            name=kind,
            samples=samples,
            batch=1,
            optimizer=lambda losses: torch.optim.Adam(losses.parameters(), lr=learning_rate),
            accumulate=accumulate,
            data=(data,),
        )
