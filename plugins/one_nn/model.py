"""1-NN: every cell of the query takes the label of the most similar cell of the supports (OSLSM, section 5)."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.layers.cell_features import Features, frozen_cells
from pipeline.layers.cell_segmenter import CellSegmenter
from pipeline.layers.cells import Upsampling, nearest


def build(
    *,
    features: Features = "fcn",
    width: int = 1,
    side: int | None = 500,
    upsampling: Upsampling = "bilinear",
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "OneNn":
    """Frozen features, and nothing to train.

    They are fc7 of a trained FCN-32s (4,096 numbers every 32 pixels: 16x16 cells of 500x500 pixels) or fire9 of
    SqueezeNet 1.1 (512 every 16: 30x30 cells).
    """
    return OneNn(frozen_cells(features, width, weights), side=side, upsampling=upsampling)


class Known(NamedTuple):
    """The cells of an episode's supports."""

    cells: Tensor
    """(n, C)."""
    objects: Tensor
    """(O, n): 1 where a cell shows the object, else 0."""


class OneNn(CellSegmenter):
    """Labels by Euclidean distance."""

    def learn(self, cells: Tensor, labels: Tensor, objects: int) -> Known:
        """Keep the cells."""
        numbers = torch.arange(1, objects + 1, device=labels.device)
        return Known(cells, (labels == numbers[:, None]).to(cells.dtype))

    def answer(self, known: Known, cells: Tensor) -> Tensor:
        """1 where the nearest support cell shows the object, else 0."""
        return known.objects[:, nearest(cells, known.cells)]
