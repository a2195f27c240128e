"""The small-object filter of PASCAL-5i, as the points of a coarse grid that fall on each class (OSLSM's code).

The original pads a class's mask by 15 zeros and shrinks it by 32 with nearest neighbours; what it then sees are the
mask's rows and columns 1, 33, 65, ... The sampled place is a tie, which its library broke by rounding noise: this
resolves it as index 16 of the padded mask. Five of the benchmark's items differ, so that those are read from a list.
"""

import numpy as np
from numpy.typing import NDArray

GRID = 32
"""Pixels between two points, as published."""
LEAST = 3
"""An object on fewer points is too small to be an item."""
_VALUES = 21


def grid_points(mask: NDArray[np.uint8], grid: int = GRID) -> NDArray[np.int32]:
    """(21,) points of the grid on each value 0 to 20 of a mask (H, W); void is none of them."""
    return pixels(mask[1::grid, 1::grid])


def pixels(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """(21,) pixels of each value 0 to 20."""
    return np.bincount(mask.ravel(), minlength=256)[:_VALUES].astype(np.int32)
