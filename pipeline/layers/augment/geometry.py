"""Pixel blitting and general geometry: one affine map a sample, and its use on images and on masks.

Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.augment.draws import Draws
from pipeline.layers.augment.reflection import fold
from pipeline.layers.augment.wavelets import MARGIN, PLACE, double, halve


def inverse_maps(draws: Draws, size: tuple[int, int], *, blit: bool, general: bool) -> Tensor:
    """Affine maps (B, 2, 3) from a pixel of the augmented image to its place in the original one.

    In pixels x, y from the centre of an image of `size` (H, W). Forward, a sample is flipped, turned by quarters and
    shifted by whole pixels (`blit`), then scaled, turned, stretched, turned again and shifted (`general`).
    """
    sides = torch.stack([torch.full((), float(side), device=draws.device) for side in reversed(size)])  # no copying
    zero = torch.zeros(draws.count, 1, device=draws.device)
    flip, quarters, whole = _blit(draws, sides) if blit else (zero, zero, zero.expand(-1, 2))
    scale, before, stretch, after, shift = _general(draws, sides) if general else (zero,) * 4 + (zero.expand(-1, 2),)
    blitted = torch.cat((1 - 2 * flip, zero + 1), 1).unsqueeze(2) * rotations(-quarters)
    turned = rotations(-before) * torch.exp2(torch.cat((-stretch, stretch), 1) - scale).unsqueeze(1)
    linear = blitted @ turned @ rotations(-after)
    offset = blitted @ whole.unsqueeze(2) + linear @ shift.unsqueeze(2)
    return torch.cat((linear, -offset), 2)


def _blit(draws: Draws, sides: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    flip = draws.acts() * draws.integer(2)
    quarters = draws.acts() * draws.integer(4) * (math.pi / 2)
    whole = (draws.acts() * draws.uniform(0.125, 2) * sides).round()
    return flip, quarters, whole


def _general(draws: Draws, sides: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    once = 1 - math.sqrt(1 - draws.strength)  # so that one of the two rotations acts with the strength
    scale = draws.acts() * draws.normal(0.2)
    before = draws.acts(probability=once) * draws.uniform(math.pi)
    stretch = draws.acts() * draws.normal(0.2)
    after = draws.acts(probability=once) * draws.uniform(math.pi)
    shift = draws.acts() * draws.normal(0.125, 2) * sides
    return scale, before, stretch, after, shift


def rotations(angles: Tensor) -> Tensor:
    """Matrices (B, 2, 2) that turn x towards y by `angles` (B, 1) in radians."""
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((cosine, -sine, sine, cosine), 1).view(-1, 2, 2)


def rescaled(maps: Tensor, factor: float) -> Tensor:
    """The same `maps` (B, 2, 3) for an image whose sides are `factor` times as long."""
    return torch.cat((maps[:, :, :2], maps[:, :, 2:] * factor), 2)


def warp_images(images: Tensor, maps: Tensor) -> Tensor:
    """Images (B, C, H, W) float32 seen through `maps`, reflected at the borders; the identity returns them.

    Doubled, sampled bilinearly, and halved again with the same symlet-6, which keeps the sampling from blurring.
    """
    doubled = double(images)
    sides = images.shape[-2:]
    axes = (
        (torch.arange(1 - 2 * MARGIN, 2 * side + 2 * MARGIN - 1, device=images.device) - PLACE) / 2 for side in sides
    )
    points = _places(maps, sides, *axes, margin=MARGIN)
    grid = [
        (4 * point + 2 * PLACE - 1) / side for point, side in zip(points, reversed(doubled.shape[-2:]), strict=True)
    ]
    return halve(F.grid_sample(doubled, torch.stack(grid, 3), padding_mode="border", align_corners=False))


def warp_masks(masks: Tensor, maps: Tensor) -> Tensor:
    """Masks (B, N, H, W) float32 seen through `maps`: plainly bilinear, reflected; sums over N stay what they are."""
    sides = masks.shape[-2:]
    points = _places(maps, sides, *(torch.arange(side, device=masks.device) for side in sides), margin=0)
    grid = [2 * point / side for point, side in zip(points, reversed(sides), strict=True)]
    return F.grid_sample(masks, torch.stack(grid, 3), padding_mode="border", align_corners=False)


def _places(maps: Tensor, sides: torch.Size, y: Tensor, x: Tensor, *, margin: int) -> tuple[Tensor, Tensor]:
    """Where `maps` lead from pixels `y` and `x` of an image of `sides` (H, W): x and y (B, Y, X) from its centre.

    Mirrored about the outermost pixels if over `margin` pixels beyond them.
    """
    halves = [(side - 1) / 2 for side in sides]
    points = maps[:, None, None, :, 2] + (y - halves[0])[:, None, None] * maps[:, None, None, :, 1]
    points = points + (x - halves[1])[:, None] * maps[:, None, None, :, 0]
    found = zip(points.unbind(3), reversed(halves), strict=True)
    across, down = (torch.where(at.abs() <= half + margin, at, fold(at, half)) for at, half in found)
    return across, down
