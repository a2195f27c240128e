"""Which of several objects a query shows, by the largest score: n-way one-shot classification."""

import torch
from torch import Tensor

from pipeline.segmenter import Prediction


def measure(prediction: Prediction, truth: Tensor, objects: int) -> dict[str, Tensor]:
    """Columns `chosen` and `correct` (0 or 1); the true object is the one with most pixels in the query's mask."""
    if prediction.scores is None:
        raise ValueError("scores")
    numbers = torch.arange(1, objects + 1, device=truth.device, dtype=truth.dtype)
    shown = (truth.unsqueeze(1) == numbers[:, None, None]).sum(dim=(2, 3)).argmax(dim=1, keepdim=True)
    chosen = prediction.scores.argmax(dim=1, keepdim=True)
    return {"chosen": chosen + 1, "correct": (chosen == shown).long()}
