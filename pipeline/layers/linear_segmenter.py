"""A linear classifier for each object over the cells of the supports: logistic regression and linear SVM."""

import torch
from torch import Tensor

from pipeline.layers.cell_features import CellFeatures
from pipeline.layers.cell_segmenter import CellSegmenter
from pipeline.layers.cells import Upsampling
from pipeline.layers.linear_fit import Linear, Loss, fit


class LinearSegmenter(CellSegmenter):
    """One classifier an object, against all other cells; fitted to the optimum in every episode."""

    def __init__(
        self, features: CellFeatures, *, side: int | None, upsampling: Upsampling, loss: Loss, penalty: float
    ) -> None:
        """`penalty` is C, the weight of the losses beside 1/2 |w|^2."""
        super().__init__(features, side=side, upsampling=upsampling)
        self.loss, self.penalty = loss, penalty

    def learn(self, cells: Tensor, labels: Tensor, objects: int) -> list[Linear]:
        """A classifier for each object."""
        return [fit(cells, labels == number, loss=self.loss, penalty=self.penalty) for number in range(1, objects + 1)]

    def answer(self, known: list[Linear], cells: Tensor) -> Tensor:
        """Margins."""
        return torch.stack([classifier.margins(cells) for classifier in known])
