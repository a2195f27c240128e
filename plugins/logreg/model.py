"""Logistic regression on the cells of the supports, L2-regularized (OSLSM, arXiv 1709.03410, section 5)."""

from collections.abc import Mapping

from torch import Tensor

from pipeline.layers.cell_features import Features, frozen_cells
from pipeline.layers.cells import Upsampling
from pipeline.layers.linear_fit import Linear
from pipeline.layers.linear_segmenter import LinearSegmenter


def build(
    *,
    features: Features = "fcn",
    width: int = 1,
    side: int | None = 500,
    penalty: float = 1.0,
    upsampling: Upsampling = "bilinear",
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "LogisticRegression":
    """Frozen features, and nothing to train before an episode; `penalty` is C.

    They are fc7 of a trained FCN-32s or of AlexNet (4,096 numbers every 32 pixels: 16x16 cells of 500x500 pixels) or
    fire9 of SqueezeNet 1.1 (512 every 16: 30x30 cells).
    """
    return LogisticRegression(
        frozen_cells(features, width, weights), side=side, upsampling=upsampling, loss="logistic", penalty=penalty
    )


class LogisticRegression(LinearSegmenter):
    """Upsamples probabilities, not margins."""

    def answer(self, known: list[Linear], cells: Tensor) -> Tensor:
        """The probability of each object."""
        return super().answer(known, cells).sigmoid()
