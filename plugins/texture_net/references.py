"""Supports as reference patches: which part of a support shows the texture, and how much of that part."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.segmenter import Frame


@dataclass(frozen=True)
class Patch:
    """The window of one support that is taken for the reference."""

    picture: Tensor
    """(3, h, w) uint8."""
    inside: Tensor
    """(h, w) bool: pixels of the object; the others do not take part in the search."""


@dataclass(frozen=True)
class Reference:
    """One object of one support of B episodes, or the background of it."""

    embeddings: Tensor
    """(B, C, h, w) unit vectors, 0 outside the object."""
    area: Tensor
    """(B,) float: pixels of each window; the windows of a batch may differ."""
    shown: Tensor
    """(B,) bool: whether the support shows the object at all."""


def cut(frame: Frame, number: int, side: int) -> list[Patch]:
    """The window of each of B episodes: the whole frame where all of it is object `number`, else a square.

    The square has `side` pixels, or as many as the frame has; it is where it holds most of the object, and of equal
    ones the one nearest to the object's centre.
    """
    if frame.masks is None:
        raise ValueError("a support has no mask")
    inside = frame.masks == number
    whole = inside.flatten(1).all(1).tolist()
    patches = []
    for image, pixels, all_of_it in zip(frame.images, inside, whole, strict=True):
        if not all_of_it:
            top, left, height, width = _best_window(pixels, side)
            rows, columns = slice(top, top + height), slice(left, left + width)
            image, pixels = image[:, rows, columns], pixels[rows, columns]
        patches.append(Patch(image, pixels))
    return patches


def empty(frame: Frame) -> Tensor:
    """(B,) bool: frames without any object, which are examples of background."""
    if frame.masks is None:
        raise ValueError("a support has no mask")
    return frame.masks.eq(0).flatten(1).all(1)


def _best_window(inside: Tensor, side: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the window of (H, W) with most pixels inside."""
    height, width = (min(side, length) for length in inside.shape)
    sums = torch.nn.functional.pad(inside.long().cumsum(0).cumsum(1), (1, 0, 1, 0))
    rows = sums[height:] - sums[:-height]
    counts = rows[:, width:] - rows[:, :-width]
    place = inside.nonzero().double()
    centre = place.mean(0) if len(place) else torch.zeros(2, device=inside.device, dtype=torch.float64)
    y, x = (torch.arange(length, device=inside.device) for length in counts.shape)
    away = (y + (height - 1) / 2 - centre[0])[:, None] ** 2 + (x + (width - 1) / 2 - centre[1]) ** 2
    best = int(away.masked_fill(counts < counts.max(), torch.inf).argmin())
    return best // counts.shape[1], best % counts.shape[1], height, width
