"""Label maps of several classes: every pixel gets one of an episode's objects, or background (SG-One, section 4.4)."""

import torch
from torch import Tensor

from pipeline.segmenter import VOID, Prediction


def measure(prediction: Prediction, truth: Tensor, objects: int, *, threshold: float) -> dict[str, Tensor]:
    """Columns `tp`, `fp`, `fn` of each object, and `background_tp`, ... of the query, in pixels, int64.

    A pixel's label is the likeliest object where the probability of any of them is > threshold, else background; void
    pixels are left out. Counts of background stand in the first object's row, zeros in the others, so that sums over
    rows are right.
    """
    if prediction.probabilities is None:
        raise ValueError("probabilities")
    best, label = prediction.probabilities.float().max(dim=1)
    label = torch.where(best > threshold, label + 1, 0)
    scored = truth != VOID
    columns = _counts(label, truth, scored, torch.arange(1, objects + 1, device=truth.device))
    background = _counts(label, truth, scored, torch.zeros(1, dtype=torch.long, device=truth.device))
    empty = (0, objects - 1)
    padded = {f"background_{name}": torch.nn.functional.pad(value, empty) for name, value in background.items()}
    return {**columns, **padded}


def _counts(label: Tensor, truth: Tensor, scored: Tensor, numbers: Tensor) -> dict[str, Tensor]:
    """(B, numbers) each."""
    said = (label.unsqueeze(1) == numbers[:, None, None]) & scored.unsqueeze(1)
    true = (truth.unsqueeze(1) == numbers[:, None, None]) & scored.unsqueeze(1)
    pairs = {"tp": said & true, "fp": said & ~true, "fn": ~said & true}
    return {name: where.sum(dim=(2, 3)) for name, where in pairs.items()}
