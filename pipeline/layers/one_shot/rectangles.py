"""Random rectangles on the grid of a feature map, as tensors: drawn, measured and compared without a loop."""

from typing import NamedTuple

import torch
from torch import Tensor

SIDES = (0.1, 0.5)
"""Least and greatest share of the grid that a side takes."""


class Rectangles(NamedTuple):
    """Any number of rectangles: rows top to bottom - 1, columns left to right - 1, int64 tensors of one shape."""

    top: Tensor
    bottom: Tensor
    left: Tensor
    right: Tensor

    def cover(self, size: tuple[int, int]) -> Tensor:
        """(..., h, w) bool, true inside."""
        rows = torch.arange(size[0], device=self.top.device)[:, None]
        columns = torch.arange(size[1], device=self.top.device)
        tall = (rows >= self.top[..., None, None]) & (rows < self.bottom[..., None, None])
        wide = (columns >= self.left[..., None, None]) & (columns < self.right[..., None, None])
        return tall & wide

    def pick(self, index: Tensor) -> "Rectangles":
        """Of rectangles (..., tries) those at `index` (...)."""
        return Rectangles(*(corner.gather(-1, index[..., None])[..., 0] for corner in self))


def draw(shape: tuple[int, ...], size: tuple[int, int], device: torch.device) -> tuple[Rectangles, Rectangles]:
    """Two independent rectangles of the same size each: centre uniform, sides a tenth to a half of the grid.

    Corners are cut to whole cells, then shifted inside. The shift leaves the last row and column unused, as released.
    """
    pairs = []
    for side in size:
        length = (SIDES[0] + (SIDES[1] - SIDES[0]) * torch.rand(shape, device=device)) * side
        centre = torch.rand((2, *shape), device=device) * side
        first = (centre[0] - length / 2).long()
        cells = ((centre[0] + length / 2).long() - first).clamp(max=side - 1)
        starts = (first, (centre[1] - length / 2).long())
        pairs.append([(start.clamp(min=0).minimum(side - 1 - cells), cells) for start in starts])
    made = [Rectangles(top, top + tall, left, left + wide) for (top, tall), (left, wide) in zip(*pairs, strict=True)]
    return made[0], made[1]


def bounds(regions: Tensor) -> Rectangles:
    """The box around each region (..., h, w) bool; an empty region has an empty box."""
    sides = []
    for axis in (-1, -2):
        lines = regions.any(axis)
        length = lines.shape[-1]
        some = lines.any(-1)
        first = lines.int().argmax(-1)
        last = length - lines.flip(-1).int().argmax(-1)
        sides += [first * some, last * some]
    return Rectangles(*sides)
