"""Collages as released code makes them: N whole float64 masks, a multiplication by every texture, a sum."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def masks(x: NDArray[np.int64], y: NDArray[np.int64], width: int, height: int) -> Floats:
    """One-hot masks (N, height, width) of the Voronoi cells of N points; ties to the lowest index."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    distances = np.stack([np.sqrt((columns - a) ** 2 + (rows - b) ** 2) for a, b in zip(x, y, strict=True)])
    nearest = distances.argmin(axis=0)
    return np.stack([(nearest == k).astype(np.float64) for k in range(len(x))])


def collage(textures: Floats, x: NDArray[np.int64], y: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The image (S, S, 3) of one texture (N, S, S, 3) a region, and the masks."""
    cells = masks(x, y, textures.shape[2], textures.shape[1])
    image = np.zeros(textures.shape[1:])
    for cell, texture in zip(cells, textures, strict=True):
        image += cell[..., None] * texture
    return image, cells
