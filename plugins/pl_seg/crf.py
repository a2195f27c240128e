"""A fully connected CRF of two labels by mean field (Krähenbühl and Koltun, NeurIPS 2011), in plain matrices.

Their filter is a permutohedral lattice. Here messages come from the cells of a coarse grid, which stand for the pixels
below them, and the last one goes from the cells to every pixel, so that outlines follow the pixels' colours. With cells
of one pixel this is the method itself, at the cost of all pairs of pixels.
"""

from collections.abc import Sequence
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

    Labels are independent of their neighbours at first. A message is the mean of the labels under a kernel (normalized
    after filtering; a pixel's own label is not left out), and agreeing labels are favoured (Potts). `grid` is the
    longer side of the coarse grid in cells; one of no more cells than the image has pixels is taken.
    """
    height, width = probabilities.shape
    longer = max(height, width)
    rows, columns = (max(1, round(side * min(grid, longer) / longer)) for side in (height, width))
    kernels = kernels._replace(
        appearance_pixels=kernels.appearance_pixels * longer / 500,
        smoothness_pixels=kernels.smoothness_pixels * longer / 500,
    )
    with torch.autocast(image.device.type, enabled=False):
        fine = View(torch.logit(probabilities.float(), eps=1e-4), *_points(image))
        coarse = View(*(F.adaptive_avg_pool2d(maps[None], (rows, columns))[0] for maps in fine))
        labels = coarse.unary.sigmoid()
        for _ in range(iterations - 1):
            labels = (coarse.unary + _message(coarse, coarse, labels, kernels)).sigmoid()
        return (fine.unary + _message(fine, coarse, labels, kernels)).sigmoid()


class View(NamedTuple):
    """Pixels, or cells with the means of the pixels below them, each (H, W) float32."""

    unary: Tensor
    """Log-odds of the object, as the network has them."""
    row: Tensor
    column: Tensor
    red: Tensor
    green: Tensor
    blue: Tensor


def _message(to: View, of: View, labels: Tensor, kernels: Kernels) -> Tensor:
    """How the log-odds of `to` (H, W) change by what the cells of `of`, with object probabilities (h, w), say."""
    said = 2 * labels - 1  # Potts: what speaks for the object less what speaks against it
    appearance, smoothness = (filtered(to, of, said, kernels) for filtered in (_appearance, _smoothness))
    return kernels.appearance_weight * appearance + kernels.smoothness_weight * smoothness


def _appearance(to: View, of: View, said: Tensor, kernels: Kernels) -> Tensor:
    """Mean of `said` under a Gaussian of place and colour; the softmax of its exponent is the kernel over its sum."""
    pixels, grey = kernels.appearance_pixels, kernels.appearance_grey
    scales = torch.tensor([pixels, pixels, grey, grey, grey], device=said.device)
    here, there = (torch.stack([maps.flatten() for maps in view[1:]], 1) / scales for view in (to, of))
    centre = there.mean(0)
    here, there = here - centre, there - centre  # small numbers, for the products below lose digits of large ones
    # -|a - b|^2 / 2 = a.b - |b|^2 / 2 - |a|^2 / 2, of which the last is the same for all b and the softmax drops it.
    own = -there.square().sum(1) / 2
    parts = torch.split(here, max(1, CHUNK // len(there)))
    heard = [torch.addmm(own, part, there.T).softmax(1) @ said.flatten() for part in parts]
    return torch.cat(heard).view(to.unary.shape)


def _smoothness(to: View, of: View, said: Tensor, kernels: Kernels) -> Tensor:
    """Mean of `said` under a Gaussian of place alone, one axis at a time."""
    down, along = (
        torch.softmax(-((a[:, None] - b) ** 2) / (2 * kernels.smoothness_pixels**2), 1)
        for a, b in ((to.row[:, 0], of.row[:, 0]), (to.column[0], of.column[0]))
    )
    return down @ said @ along.T


def _points(image: Tensor) -> Sequence[Tensor]:
    """Row, column, red, green and blue of each pixel, (H, W) float32 each."""
    rows, columns = (torch.arange(side, dtype=torch.float32, device=image.device) for side in image.shape[1:])
    return [*torch.meshgrid(rows, columns, indexing="ij"), *image.float()]
