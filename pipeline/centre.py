"""Where a mask is."""

import torch
from torch import Tensor


def centre_of_mass(masks: Tensor) -> Tensor:
    """Mean x and y of the pixels of masks (..., H, W), as (..., 2) float64; NaN for an empty mask."""
    weights = masks.double()
    height, width = masks.shape[-2:]
    x = (weights.sum(dim=-2) * torch.arange(width, device=masks.device)).sum(dim=-1)
    y = (weights.sum(dim=-1) * torch.arange(height, device=masks.device)).sum(dim=-1)
    return torch.stack([x, y], dim=-1) / weights.sum(dim=(-2, -1)).unsqueeze(-1)
