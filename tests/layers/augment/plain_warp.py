"""ADA's geometry as published, one image at a time: pad by reflection, double, sample, halve, crop; in float64."""

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, map_coordinates

from pipeline.layers.augment.wavelets import PLACE, SYMLET_6

Array = NDArray[np.float64]


def warp(image: Array, affine: Array, padding: int) -> Array:
    """Image (H, W) seen through `affine` (2, 3), in pixels from the centre; `padding` pixels hold all that is seen."""
    height, width = image.shape
    doubled = np.pad(image, padding, mode="reflect")
    for axis in (0, 1):
        stuffed = np.zeros([2 * side if at == axis else side for at, side in enumerate(doubled.shape)])
        stuffed[(slice(None),) * axis + (slice(None, None, 2),)] = doubled
        doubled = convolve1d(stuffed, np.array(SYMLET_6) * 2**0.5, axis, mode="constant", origin=-1)  # tap 5 stays
    rows, columns = (np.arange(-5, 2 * side + 5) for side in image.shape)
    y, x = np.meshgrid((rows - PLACE) / 2 - (height - 1) / 2, (columns - PLACE) / 2 - (width - 1) / 2, indexing="ij")
    at_x, at_y = (affine[k, 0] * x + affine[k, 1] * y + affine[k, 2] for k in (0, 1))
    places = [2 * (at + (side - 1) / 2 + padding) + PLACE for at, side in ((at_y, height), (at_x, width))]
    seen = map_coordinates(doubled, places, order=1)
    halved = np.zeros((height, width))
    for (i, above), (j, beside) in itertools.product(enumerate(SYMLET_6), repeat=2):
        halved += above * beside / 2 * seen[i : i + 2 * height : 2, j : j + 2 * width : 2]
    return halved
