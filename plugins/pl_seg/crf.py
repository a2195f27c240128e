"""A fully connected CRF of two labels by mean field (Krähenbühl and Koltun, NeurIPS 2011), in plain matrices.

Their filter is a permutohedral lattice. Here messages come from the cells of a coarse grid, which stand for the pixels
below them, and the last one goes from the cells to every pixel, so that outlines follow the pixels' colours. With cells
of one pixel this is the method itself, at the cost of all pairs of pixels.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 1 << 22
"""Pairs of pixel and cell whose kernels are held at a time, 16 MiB each."""


class Kernels(NamedTuple):
    """Weights and standard deviations of the two Gaussians (equation 3)."""

    appearance_weight: float
    appearance_pixels: float
    """In pixels of a picture whose longer side is 500; it grows and shrinks with that side."""
    appearance_grey: float
    """In grey levels, 0 to 255, of each of red, green and blue."""
    smoothness_weight: float
    smoothness_pixels: float
    """As above."""


def refine(probabilities: Tensor, image: Tensor, kernels: Kernels, *, iterations: int, grid: int) -> Tensor:
    """Probabilities (H, W) of the object and their image (3, H, W) uint8 -> (H, W), after `iterations` updates.

    Labels are independent of their neighbours at first. A message is the mean of the other's labels under a kernel
    (normalized after filtering; a pixel's own label is not left out), and agreeing labels are favoured (Potts). `grid`
    is the longer side of the coarse grid in cells; no larger one than the image is taken.
    """
    height, width = probabilities.shape
    longer = max(height, width)
    rows, columns = (max(1, round(side * min(grid, longer) / longer)) for side in (height, width))
    unary = torch.logit(probabilities.float(), eps=1e-4)
    kernels = kernels._replace(
        appearance_pixels=kernels.appearance_pixels * longer / 500,
        smoothness_pixels=kernels.smoothness_pixels * longer / 500,
    )
    pixels = _points(image)
    # Means of the pixels below each cell: of their places, their colours and what the network says of them.
    cells = F.adaptive_avg_pool2d(pixels.T.reshape(5, height, width), (rows, columns)).flatten(1).T
    coarse = F.adaptive_avg_pool2d(unary[None], (rows, columns)).flatten()
    labels = coarse.sigmoid()
    for _ in range(iterations - 1):
        labels = (coarse + _message(cells, cells, labels, kernels)).sigmoid()
    return (unary.flatten() + _message(pixels, cells, labels, kernels)).sigmoid().view(height, width)


def _message(to: Tensor, of: Tensor, labels: Tensor, kernels: Kernels) -> Tensor:
    """What points (N, 5) hear of points (M, 5) with object probabilities (M,): the change of their logit, (N,)."""
    said = 2 * labels - 1  # log-odds of the Potts model: what speaks for the object less what speaks against it
    parts = [_heard(part, of, said, kernels) for part in torch.split(to, max(1, CHUNK // len(of)))]
    return torch.cat(parts)


def _heard(to: Tensor, of: Tensor, said: Tensor, kernels: Kernels) -> Tensor:
    away = _squared(to[:, :2], of[:, :2])
    unlike = _squared(to[:, 2:], of[:, 2:])
    w1, pixels, grey, w2, near = kernels
    # The softmax of a Gaussian's exponent is the Gaussian divided by its sum.
    appearance = torch.softmax(-away / (2 * pixels**2) - unlike / (2 * grey**2), 1)
    smoothness = torch.softmax(-away / (2 * near**2), 1)
    with torch.autocast(to.device.type, enabled=False):
        return (w1 * appearance + w2 * smoothness) @ said


def _squared(to: Tensor, of: Tensor) -> Tensor:
    """Squared distances of points (N, d) from points (M, d), exact where they are 0."""
    distances = torch.zeros(len(to), len(of), device=to.device)
    for a, b in zip(to.T, of.T, strict=True):
        distances += (a[:, None] - b) ** 2
    return distances


def _points(image: Tensor) -> Tensor:
    """(H W, 5) float32: row, column, red, green, blue."""
    height, width = image.shape[1:]
    rows, columns = torch.meshgrid(
        torch.arange(height, device=image.device), torch.arange(width, device=image.device), indexing="ij"
    )
    return torch.cat([rows[None], columns[None], image]).float().flatten(1).T
