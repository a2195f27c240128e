"""Cells of a feature map: where they lie in the image, which labels they have, how their answers become pixels.

Baselines of OSLSM's section 5 classify the cells of a map and upsample the outcome; Siamese dense matching compares
them.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Upsampling = Literal["bilinear", "nearest"]
CHUNK = 1 << 24
"""Numbers of a table of distances that is held at a time."""


@dataclass(frozen=True)
class Grid:
    """Where the cells of a map lie along either axis of the image that the network saw."""

    stride: int
    """Pixels between two cells."""
    first: float
    """Place of the first cell's centre, counted in pixels from the centre of the first pixel; may lie outside."""

    def labels(self, mask: Tensor, cells: tuple[int, int], seen: tuple[int, int]) -> Tensor:
        """Values of mask (H, W) at the centres of `cells` = (h, w): the nearest pixel of each, (h, w).

        `seen` is the size in which the network saw the image. A cell whose centre lies outside reads the border.
        """
        rows, columns = (
            self._pixels(count, size, own, mask.device)
            for count, size, own in zip(cells, seen, mask.shape, strict=True)
        )
        return mask[rows[:, None], columns]

    def spread(self, maps: Tensor, size: tuple[int, int], seen: tuple[int, int], how: Upsampling) -> Tensor:
        """Maps (C, h, w) as they lie on an image of `size` = (H, W): (C, H, W); constant beyond the outermost cells."""
        down, across = (
            self._weights(count, own, looked, how, maps)
            for count, own, looked in zip(maps.shape[-2:], size, seen, strict=True)
        )
        return down @ maps @ across.T

    def _pixels(self, count: int, seen: int, own: int, device: torch.device) -> Tensor:
        centres = torch.arange(count, device=device, dtype=torch.float64) * self.stride + self.first
        return ((centres + 0.5) * own / seen).floor().long().clamp(0, own - 1)

    def _weights(self, count: int, own: int, seen: int, how: Upsampling, like: Tensor) -> Tensor:
        """How much each of `count` cells is worth at each of `own` pixels: (own, count), rows sum to 1."""
        pixels = (torch.arange(own, dtype=torch.float64) + 0.5) * seen / own - 0.5
        places = ((pixels - self.first) / self.stride).clamp(0, count - 1)
        if how == "nearest":
            places = (places + 0.5).floor().clamp(max=count - 1)
        distances = (places[:, None] - torch.arange(count)).abs()
        return (1 - distances).clamp(min=0).to(like)


def warped(images: Tensor, side: int | None) -> Tensor:
    """Images (B, 3, H, W) as squares of `side` pixels, float32: bilinear without smoothing; None leaves them alone."""
    if side is None or images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images.float(), (side, side), mode="bilinear")


def nearest(queries: Tensor, supports: Tensor) -> Tensor:
    """Index of the Euclidean-nearest of supports (m, C) for each of queries (n, C), (n,); the first of equal ones."""
    centre = supports.mean(0)  # what all share would only cost precision
    moved = supports - centre
    lengths = moved.square().sum(1)
    size = max(CHUNK // len(supports), 1)
    return torch.cat([(lengths - 2 * (part - centre) @ moved.T).argmin(1) for part in torch.split(queries, size)])
