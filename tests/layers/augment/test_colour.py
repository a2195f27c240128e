"""Colour: the closed form is the published product of 4 x 4 matrices, applied to each pixel."""

import math

import numpy as np
import torch

from pipeline.layers.augment.colour import colour_maps, recolour
from pipeline.layers.augment.draws import Draws

CPU = torch.device("cpu")
LUMA = np.array([1, 1, 1, 0]) / math.sqrt(3)


def rotation(angle: float) -> np.ndarray:
    """Rodrigues' formula around the luma axis."""
    x, y, z = LUMA[:3]
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    made = np.eye(4)
    made[:3, :3] += math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return made


def test_the_map_is_the_published_product():
    torch.manual_seed(0)
    maps = colour_maps(Draws(count=20, strength=0.8, device=CPU))
    torch.manual_seed(0)
    draws = Draws(count=20, strength=0.8, device=CPU)
    brightness, contrast = draws.acts() * draws.normal(0.2), 2 ** (draws.acts() * draws.normal(0.5))
    flip, hue = draws.acts() * draws.integer(2), draws.acts() * draws.uniform(math.pi)
    saturation, axis = 2 ** (draws.acts() * draws.normal(1.0)), np.outer(LUMA, LUMA)
    for k in range(20):
        shift = np.eye(4)
        shift[:3, 3] = float(brightness[k])
        contrasted = np.diag([float(contrast[k])] * 3 + [1.0])
        flipped = np.eye(4) - 2 * axis * float(flip[k])
        saturated = axis + (np.eye(4) - axis) * float(saturation[k])
        saturated[3, 3] = 1
        product = saturated @ rotation(float(hue[k])) @ flipped @ contrasted @ shift
        assert np.allclose(maps[k], product[:3], atol=1e-5)


def test_each_pixel_is_put_through_its_samples_map():
    images, maps = torch.rand(2, 3, 4, 5), torch.randn(2, 3, 4)
    made = recolour(images, maps)
    torch.testing.assert_close(made[1, :, 2, 3], maps[1, :, :3] @ images[1, :, 2, 3] + maps[1, :, 3])
