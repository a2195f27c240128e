"""Counts of regions and boundaries behind DAVIS's J and F, in label maps of a video's objects."""

import numpy as np
import torch
from torch import Tensor

from pipeline.evaluate.davis.counts import COUNTS, TOLERANCE, Void, count
from pipeline.segmenter import Prediction


def measure(
    prediction: Prediction,
    truth: Tensor,
    objects: int,
    *,
    threshold: float = 0.5,
    tolerance: float = TOLERANCE,
    void: Void = "background",
) -> dict[str, Tensor]:
    """Columns `intersection`, `union`, `predicted`, `precise`, `boundary`, `recalled` of each object, in pixels, int64.

    A pixel's label is the likeliest object, or background where every probability is < threshold. See
    `pipeline.evaluate.davis.counts` for the columns; `tolerance` is a part of the frame's diagonal.
    """
    if prediction.probabilities is None:
        raise ValueError("probabilities")
    best, label = prediction.probabilities.float().max(dim=1)
    labels = torch.where(best < threshold, 0, label + 1).to(torch.uint8)
    found = count(_array(labels), _array(truth), objects, tolerance=tolerance, void=void)
    return {name: torch.from_numpy(found[..., k]) for k, name in enumerate(COUNTS)}


def _array(labels: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(labels.to(torch.uint8).cpu().numpy())
