"""Training of TextureNet: the class-balanced loss, and references cut to size from the supports."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.layers.vgg import normalized
from pipeline.segmenter import Batch, Frame
from pipeline.train.supervised import Supervised, halved_at

if TYPE_CHECKING:
    from plugins.texture_net.model import TextureNet


def balanced_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean of -log S over target pixels plus mean of -log(1 - S) over the others, where there are any.

    Logits (B, H, W) and masks (B, H, W) of 0, 1 and 255 (left out) -> a scalar, the mean over B; 2 ln 2 at logits 0.
    """
    total = logits.new_zeros(len(logits))
    for value, sign in ((1, -1.0), (0, 1.0)):
        pixels = (masks == value).to(logits.dtype)
        total = total + (F.softplus(sign * logits) * pixels).sum((1, 2)) / pixels.sum((1, 2)).clamp(min=1)
    return total.mean()


class BalancedLoss(nn.Module):
    """The loss of a batch of episodes with one support that is all reference."""

    def __init__(self, network: "TextureNet") -> None:
        """Of `network`'s logits."""
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Mapping[str, Tensor]:
        """Loss, and the mean IoU at 0.5 of the batch, to watch."""
        (support,), (query,) = batch.supports.frames, batch.queries
        assert query.masks is not None
        logits = self.network(query.images, support.images)
        with torch.no_grad():
            found, true = logits > 0, query.masks == 1
            union = (found | true).sum((1, 2))
            iou = torch.where(union > 0, (found & true).sum((1, 2)) / union.clamp(min=1), 1.0).mean()
        return {"loss": balanced_loss(logits, query.masks), "iou": iou}


class Segment(Supervised):
    """The one stage: Adam, the rate halved after 2 and 4 of 5 parts (400,000 and 800,000 of a million steps)."""

    def __init__(
        self,
        network: "TextureNet",
        *,
        name: str,
        samples: int,
        batch: int,
        learning_rate: float,
        sides: Sequence[int],
        calibration: int,
        train_trunk: bool,
        ready: bool,
    ) -> None:
        """Train on references of `sides`, one of them a batch; a frozen trunk's means come from `calibration` images.

        A pretrained trunk is frozen whatever `train_trunk` says. `ready`: whether the weights it starts from are there.
        """
        super().__init__(
            BalancedLoss(network),
            name=name,
            samples=samples,
            batch=batch,
            optimizer=lambda losses: torch.optim.Adam(
                [p for p in losses.parameters() if p.requires_grad], lr=learning_rate
            ),
            schedule=halved_at(5, 2, 4),
        )
        self._network, self._sides, self._calibration = network, tuple(sides), calibration
        self._train_trunk, self._ready = train_trunk, ready

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Freeze or free the trunk; `UserError` without a start where one is needed."""
        if not self._ready:
            raise UserError(
                "a texture_net of variable patches starts from a trained texture_net, and none was given: that variant "
                "needs `needs: {start: texture_net}`; snakemake then trains it first"
            )
        trunk = self._network.vgg
        trunk.requires_grad_(self._train_trunk and self._network.trunk != "pretrained")
        super().setup(device, dtype)

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """One update a batch; the first call measures a frozen trunk's means before."""
        trunk = self._network.vgg
        if done == 0 and not self._network.trains_trunk and not bool(trunk.get_buffer("calibrated")):
            images = torch.cat([batch.queries[0].images for batch in batches])[: self._calibration]
            trunk.calibrate(normalized(images))
            _average([trunk.get_buffer(f"mean{block}") for block in range(1, len(trunk.channels) + 1)])
        return super().step([self._cut(batch) for batch in batches], done)

    def _cut(self, batch: Batch) -> Batch:
        """The same episodes with references of one side, drawn for the batch, at random places of their supports."""
        (support,) = batch.supports.frames
        height, width = support.images.shape[-2:]
        fitting = [side for side in self._sides if side <= min(height, width)]
        if not fitting:
            raise UserError(
                f"supports of {width}x{height} pixels hold no reference of {min(self._sides)}: train on larger ones"
            )
        side = fitting[int(torch.randint(len(fitting), ()))]
        frame = cut_at_random(support, side)
        return Batch(replace(batch.supports, frames=(frame,)), batch.queries)


def cut_at_random(frame: Frame, side: int) -> Frame:
    """A square of `side` pixels of each of B frames, all places equally likely; global generator."""
    count, _, height, width = frame.images.shape
    if (height, width) == (side, side):
        return frame
    tops, lefts = (torch.randint(length - side + 1, (count,)) for length in (height, width))
    where = frame.images.device
    rows, columns = ((first[:, None] + torch.arange(side)).to(where, non_blocking=True) for first in (tops, lefts))
    episode = torch.arange(count, device=where)[:, None, None]
    images = frame.images.permute(0, 2, 3, 1)[episode, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    masks = None if frame.masks is None else frame.masks[episode, rows[:, :, None], columns[:, None, :]]
    return replace(frame, images=images, masks=masks)


def _average(tensors: Sequence[Tensor]) -> None:
    """Make equal, on all ranks, what each has measured on its share."""
    if dist.is_initialized():
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor.div_(dist.get_world_size())
