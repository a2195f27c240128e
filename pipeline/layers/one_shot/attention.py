"""Masked content attention (OSMIS, Eq. 4): a vector for each object, pooled where its mask is."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR = 0.001
"""Least probability of a Bernoulli draw, and one minus the greatest."""


def at_size(masks: Tensor, size: Sequence[int]) -> Tensor:
    """Masks (B, N, H, W) at (h, w) by the nearest pixel: the top left one of each cell."""
    return F.interpolate(masks, (size[0], size[1]), mode="nearest")


def hardened(soft: Tensor, *, bernoulli: bool) -> Tensor:
    """Soft masks (B, N, h, w) made hard, with the gradient of the soft ones (straight through).

    With `bernoulli` every channel of every cell is drawn on its own, so that a cell may have several objects or none;
    else the greatest channel takes the cell.
    """
    with torch.no_grad():
        if bernoulli:
            hard = torch.bernoulli(soft.clamp(FLOOR, 1 - FLOOR))
        else:
            hard = torch.zeros_like(soft).scatter_(1, soft.argmax(1, keepdim=True), 1.0)
        residue = hard - soft
    return soft + residue


def attended(features: Tensor, masks: Tensor) -> Tensor:
    """Features (B, C, h, w) and masks (B, N, h, w) -> (N, B, C), the mean over all cells of mask times feature.

    It is not divided by the object's area: the vector's length tells it.
    """
    with torch.autocast(features.device.type, enabled=False):
        pooled = torch.einsum("bnp,bcp->nbc", masks.flatten(2), features.flatten(2).to(masks.dtype))
    return pooled / features[0, 0].numel()
