"""Versions of one target's ink under affine maps, by nearest sampling in 16.16 fixed point, as the scenes are made."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

Box = tuple[int, int, int, int]
"""First and last row, first and last column, all inclusive, counted from the centre of mass."""

_FIXED = 1 << 16


@dataclass(frozen=True)
class Target:
    """A target's ink, ready to be sampled."""

    ink: Tensor
    """(h + 2, w + 2) uint8 of 0 and 1: the picture with a border of zeros."""
    centre: Tensor
    """(2,) float64: x and y of the ink's centre of mass in the picture, where pixel centres lie at halves."""
    outline: Tensor
    """(N, 2) float64: x and y of the ends of each row's ink, relative to `centre`."""


def make_target(mask: Tensor) -> Target | None:
    """From the mask (h, w) of a support, ink where it is not zero; None where it shows no ink."""
    ink = (mask != 0).to(torch.uint8)
    rows, columns = ink.nonzero(as_tuple=True)
    if len(rows) == 0:
        return None
    centre = torch.stack([columns, rows], 1).double().mean(0) + 0.5
    inked = torch.nonzero(ink.any(1))[:, 0]
    first = ink.argmax(1)[inked]
    last = ink.shape[1] - 1 - ink.flip(1).argmax(1)[inked]
    ends = torch.cat([torch.stack([x, inked], 1) for x in (first, last)])
    return Target(F.pad(ink, (1, 1, 1, 1)), centre, ends.double() + 0.5 - centre)


def reach(target: Target, matrices: Tensor, side: int) -> Box:
    """A box that holds the ink of all versions under `matrices` (M, 2, 2), cut to a square of `side` pixels."""
    moved = target.outline @ matrices.to(target.outline).transpose(1, 2)
    # A pixel is a square around its centre; its image reaches half the absolute sum of a matrix row further.
    margin = matrices.abs().sum(2).amax(0).to(moved) / 2
    low = (moved.amin((0, 1)) - margin).ceil().long().tolist()
    high = (moved.amax((0, 1)) + margin).floor().long().tolist()
    half = side // 2
    left, top = (max(value, -half) for value in low)
    right, bottom = (min(value, side - 1 - half) for value in high)
    return top, bottom, left, right


def sample(target: Target, matrices: Tensor, box: Box) -> Tensor:
    """Versions (M, h, w) uint8 of the target's ink inside `box`, with the centre of mass at row 0, column 0.

    Pixel (column i, row j) reads the target at centre + A^-1 (i, j). The inverse is rounded to 16.16 once and the sums
    are whole numbers, so that all devices agree to the bit (pictures up to 8,192 pixels a side).
    """
    device = target.ink.device
    inverse = _fixed(torch.linalg.inv(matrices)).to(device)
    start = _fixed(target.centre)
    rows = torch.arange(box[0], box[1] + 1, device=device, dtype=torch.int32)
    columns = torch.arange(box[2], box[3] + 1, device=device, dtype=torch.int32)
    height, width = target.ink.shape
    places = []
    for axis, last in ((0, width - 1), (1, height - 1)):
        along = inverse[:, axis, 0, None] * columns + start[axis]
        down = inverse[:, axis, 1, None] * rows
        # One is added for the border; what falls outside the picture reads the border.
        places.append(((along[:, None, :] + down[:, :, None]) >> 16).add_(1).clamp_(0, last))
    x, y = places
    return target.ink.flatten()[y.mul_(width).add_(x)]


def _fixed(values: Tensor) -> Tensor:
    return (values * _FIXED + 0.5).floor().to(torch.int32)
