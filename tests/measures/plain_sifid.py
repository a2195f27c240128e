"""The Frechet distance by a matrix root, as the reference computes it."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from torch import Tensor


def plain_distance(one: Tensor, other: Tensor) -> float:
    """Of maps (d, h, w): each cell is a sample."""
    (mean1, cov1), (mean2, cov2) = _moments(one), _moments(other)
    root = sqrtm(cov1 @ cov2)
    if not np.isfinite(root).all():
        ridge = 1e-6 * np.eye(len(cov1))
        root = sqrtm((cov1 + ridge) @ (cov2 + ridge))
    apart = float(((mean1 - mean2) ** 2).sum())
    return apart + float(np.trace(cov1) + np.trace(cov2) - 2 * np.trace(root).real)


def _moments(maps: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = maps.double().flatten(1).numpy()
    return x.mean(1), np.cov(x)
