"""Pixel counts of prediction and truth at several thresholds, void pixels left out: what every IoU is made from."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.segmenter import VOID, Prediction


def measure(prediction: Prediction, truth: Tensor, objects: int, *, thresholds: Sequence[float]) -> dict[str, Tensor]:
    """Columns `tp@t`, `fp@t` for each threshold t (foreground is probability > t), `positives` and `pixels`, int64."""
    if prediction.probabilities is None:
        raise ValueError("probabilities")
    numbers = torch.arange(1, objects + 1, device=truth.device, dtype=truth.dtype)
    positive = truth.unsqueeze(1) == numbers[:, None, None]
    scored = (truth != VOID).unsqueeze(1)
    columns = {
        "positives": positive.sum(dim=(2, 3)),
        "pixels": scored.sum(dim=(2, 3)).expand(-1, objects),
    }
    for threshold in thresholds:
        foreground = (prediction.probabilities.float() > threshold) & scored
        columns[f"tp@{threshold:g}"] = (foreground & positive).sum(dim=(2, 3))
        columns[f"fp@{threshold:g}"] = (foreground & ~positive).sum(dim=(2, 3))
    return columns
