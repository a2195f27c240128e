"""Supports as target pictures: every object cut out by its mask, on black, one picture an object and support."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.segmenter import Frame, Supports


@dataclass(frozen=True)
class Targets:
    """Embeddings of the objects of B episodes, support by support."""

    embeddings: list[list[Tensor]]
    """K supports, O objects, each (B, C)."""
    shown: Tensor
    """(K, B, O) bool: whether the support shows the object."""

    def average(self, predict: Callable[[Tensor], Tensor]) -> Tensor:
        """Mean of `predict(embedding)` (B, H, W) over the supports that show an object: (B, O, H, W), else 0."""
        objects = []
        for o in range(self.shown.shape[2]):
            weights = self.shown[:, :, o].float()
            total = torch.stack([weights[k, :, None, None] * predict(e[o]) for k, e in enumerate(self.embeddings)]).sum(
                0
            )
            objects.append(total / weights.sum(0).clamp(min=1)[:, None, None])
        return torch.stack(objects, 1)


def show_targets(supports: Supports, size: int, embed: Callable[[Tensor], Tensor]) -> Targets:
    """Embed every object of every support; `embed` maps pictures (B, 3, size, size) in [0, 1] to (B, C)."""
    embeddings = [[embed(cut_out(frame, o, size)) for o in range(1, supports.objects + 1)] for frame in supports.frames]
    shown = [
        torch.stack([(_mask(frame) == o).any(2).any(1) for o in range(1, supports.objects + 1)], 1)
        for frame in supports.frames
    ]
    return Targets(embeddings, torch.stack(shown))


def cut_out(frame: Frame, number: int, size: int) -> Tensor:
    """Object `number` of the frame on black, (B, 3, size, size) in [0, 1].

    A frame of that size keeps its pixels in place, as the target pictures of cluttered Omniglot want it; any other is
    cropped to the square around the object and resized.
    """
    mask = _mask(frame) == number
    pictures = frame.images.float() / 255 * mask.unsqueeze(1)
    if pictures.shape[-2:] == (size, size):
        return pictures
    return torch.stack([_square(picture, m, size) for picture, m in zip(pictures, mask, strict=True)])


def _square(picture: Tensor, mask: Tensor, size: int) -> Tensor:
    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    if len(rows) == 0:
        return picture.new_zeros(3, size, size)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    side = max(bottom - top, right - left)
    above, before = (side - (bottom - top)) // 2, (side - (right - left)) // 2
    crop = F.pad(
        picture[:, top:bottom, left:right],
        (before, side - (right - left) - before, above, side - (bottom - top) - above),
    )
    return F.interpolate(crop.unsqueeze(0), (size, size), mode="bilinear", antialias=True)[0]


def _mask(frame: Frame) -> Tensor:
    if frame.masks is None:
        raise ValueError("a support has no mask")
    return frame.masks
