"""Normalized cut of cells into two parts (Shi and Malik, PAMI 2000), of any number of cells at once."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cut(cells: Tensor) -> Tensor:
    """Values (n,) of cells (n, C) >= 0: the second generalized eigenvector of the normalized cut, in float64.

    The affinity of two cells is their cosine, W = N N^T for unit vectors N: then D^-1/2 W D^-1/2 = M M^T with
    M = D^-1/2 N, whose eigenvectors follow from those of the C x C matrix M^T M. The two parts are where the values lie
    above 0 and below; of unit deviation, their sign means nothing. 0 where all cells are alike.
    """
    unit: Tensor = F.normalize(cells.double(), dim=1)
    degrees = (unit @ unit.sum(0)).clamp(min=1e-12).sqrt()
    scaled = unit / degrees[:, None]
    lengths, vectors = torch.linalg.eigh(scaled.T @ scaled)
    if float(lengths[-2]) < 1e-9:
        return torch.zeros_like(degrees)
    values: Tensor = scaled @ vectors[:, -2] / degrees
    return values / values.std().clamp(min=1e-12)


def border(height: int, width: int, device: torch.device) -> Tensor:
    """Which cells of a map touch its edge, (height * width,) bool."""
    edge = torch.ones(height, width, dtype=torch.bool, device=device)
    edge[1:-1, 1:-1] = False
    return edge.flatten()
