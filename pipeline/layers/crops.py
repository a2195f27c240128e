"""Crops around centres of mass, in the two readings of "One-Shot Segmentation in Clutter", section 3.2."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Crop = Literal["integer", "sampled"]


def crop(pictures: Tensor, centres: Tensor, side: int, kind: Crop) -> Tensor:
    """Cut (N, C, side, side) out of pictures (N, C, H, W) around `centres` (N, 2), x and y; 0 outside.

    `integer` takes whole pixels from round(centre) - side / 2 on. `sampled` is the authors' bilinear sampler: the
    centre is floored, and `side` points from one end of the window to the other, both included, are slightly over a
    pixel apart. A centre of NaN stands for an empty mask, whose crop is empty too.
    """
    if kind == "integer":
        return window(pictures, torch.arange(len(pictures), device=pictures.device), corners(centres, side), side)
    steps = torch.linspace(-1, 1, side, device=pictures.device)
    length = pictures.new_tensor(pictures.shape[:1:-1], dtype=torch.float32)  # W and H
    middle = centres.nan_to_num(-1).floor().float() * length / (length - 1)
    points = middle.unsqueeze(-1) + side / 2 * steps
    x, y = (_tents(points[:, axis], int(length[axis])) for axis in (0, 1))
    with torch.autocast(pictures.device.type, enabled=False):
        return y.unsqueeze(1) @ pictures.float() @ x.unsqueeze(1).transpose(2, 3)


def corners(centres: Tensor, side: int) -> Tensor:
    """Left and top (N, 2) int64 of the squares of `side` pixels around `centres` (N, 2), which are rounded half up."""
    return (centres.nan_to_num() + 0.5).floor().long() - side // 2


def window(pictures: Tensor, rows: Tensor, corners: Tensor, side: int) -> Tensor:
    """Squares (N, C, side, side) of pictures (B, C, H, W): the n-th of picture rows[n] at corners[n]; 0 outside."""
    padded = F.pad(pictures, (side, side, side, side))
    height, width = padded.shape[-2:]
    steps = torch.arange(side, device=pictures.device)
    x = (corners[:, :1] + side + steps).clamp(0, width - 1)
    y = (corners[:, 1:] + side + steps).clamp(0, height - 1)
    return padded[rows[:, None, None], :, y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def _tents(points: Tensor, length: int) -> Tensor:
    """Weights (N, S, length) of linear interpolation at `points` (N, S) between pixels 0 to length - 1."""
    pixels = torch.arange(length, device=points.device)
    return (1 - (points.unsqueeze(-1) - pixels).abs()).clamp(min=0)
