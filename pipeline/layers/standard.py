"""Standard augmentation of supports: flip, zoom and rotation, as OSVOS's code draws them (Caelles et al. 2017).

Mirrored with a chance of a half, then turned by up to 30 degrees and scaled by 0.75 to 1.25 about the centre; images
cubic, masks nearest, in frames of the same size.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

FLIP = 0.5
DEGREES = (-30.0, 30.0)
SCALES = (0.75, 1.25)


def augmented(
    images: Tensor,
    masks: Tensor,
    generator: torch.Generator,
    *,
    border: Sequence[float] = (0.0, 0.0, 0.0),
    outside: int = 0,
) -> tuple[Tensor, Tensor]:
    """Images (B, 3, H, W) and index masks (B, H, W), uint8, each under a draw of its own from `generator` of the CPU.

    Beyond the original's edge lies the colour `border`, 0 to 255 (the mean that a network subtracts, where its border
    is to be 0), and the value `outside` in masks.
    """
    height, width = masks.shape[-2:]
    grid = _grid(drawn(len(images), generator).to(images.device), height, width)
    colour = torch.tensor(border, device=images.device)[:, None, None]
    seen = F.grid_sample(images.float() - colour, grid, "bicubic", "zeros", align_corners=False) + colour
    labels = (masks.float() - outside)[:, None]
    found = F.grid_sample(labels, grid, "nearest", "zeros", align_corners=False)[:, 0] + outside
    return seen.round().clamp(0, 255).to(torch.uint8), found.to(torch.uint8)


def drawn(count: int, generator: torch.Generator) -> Tensor:
    """(count, 2, 2): from a place of the outcome, x and y from the centre in pixels, to its place in the original."""
    flips, turns, zooms = torch.rand(3, count, generator=generator, dtype=torch.float64)
    angles = (DEGREES[0] + turns * (DEGREES[1] - DEGREES[0])) * (math.pi / 180)
    scales = SCALES[0] + zooms * (SCALES[1] - SCALES[0])
    cosines, sines = angles.cos() / scales, angles.sin() / scales
    mirrored = torch.where(flips < FLIP, -1.0, 1.0).to(torch.float64)
    rows = [torch.stack([mirrored * cosines, -mirrored * sines], 1), torch.stack([sines, cosines], 1)]
    return torch.stack(rows, 1)


def _grid(warps: Tensor, height: int, width: int) -> Tensor:
    """(B, H, W, 2) places in the original, from -1 to 1 between the edges of the frame."""
    y, x = (torch.arange(length).to(warps) - (length - 1) / 2 for length in (height, width))
    places = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    found = torch.einsum("brc,hwc->bhwr", warps, places)
    return (found * warps.new_tensor([2 / width, 2 / height])).float()
