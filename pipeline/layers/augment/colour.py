"""Colour transformations: one affine map of RGB a sample.

Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.
"""

import math
from functools import cache

import torch
from torch import Tensor

from pipeline.layers.augment.draws import Draws


def colour_maps(draws: Draws) -> Tensor:
    """Affine maps (B, 3, 4) of RGB in [-1, 1]: brightness, contrast, luma flip, hue, saturation, in this order.

    Their product of 4 x 4 matrices in closed form: all but brightness act on the luma axis (1, 1, 1) and on the plane
    across it apart, and brightness is a shift along the axis.
    """
    brightness = draws.acts() * draws.normal(0.2)
    contrast = torch.exp2(draws.acts() * draws.normal(0.5))
    luma = contrast * (1 - 2 * draws.acts() * draws.integer(2))
    hue = draws.acts() * draws.uniform(math.pi)
    chroma = contrast * torch.exp2(draws.acts() * draws.normal(1.0))
    parts = torch.cat((luma, chroma * hue.cos(), chroma * hue.sin()), 1)
    linear = (parts @ _parts(draws.device)).view(-1, 3, 3)
    return torch.cat((linear, (luma * brightness).unsqueeze(2).expand(-1, 3, 1)), 2)


def recolour(images: Tensor, maps: Tensor) -> Tensor:
    """Images (B, 3, H, W) float32 with each pixel's colour put through its sample's map (B, 3, 4)."""
    return torch.baddbmm(maps[:, :, 3:], maps[:, :, :3], images.flatten(2)).view_as(images)


@cache
def _parts(device: torch.device) -> Tensor:
    """(3, 9): the projections onto the luma axis and across it, and a quarter turn around it."""
    onto = torch.full((3, 3), 1 / 3)
    turn = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return torch.stack((onto, torch.eye(3) - onto, turn)).flatten(1).to(device)
