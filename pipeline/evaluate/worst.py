"""The episode that a system failed most, kept as pictures beside the first ones: the page shows failures, too."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.evaluate.statistics import overlap
from pipeline.segmenter import Batch, Prediction

THRESHOLD = 0.5


class Worst:
    """The episode whose first query has the lowest IoU so far; among equals, the one with the largest object."""

    def __init__(self) -> None:
        """None yet."""
        self.rank: tuple[float, int, int] | None = None
        """IoU, minus the object's pixels, and number of the episode."""
        self.arrays: dict[str, NDArray[np.uint8]] = {}
        """Its pictures, named as `pipeline.scores` says."""

    def load(self, rank: Sequence[Any] | None, arrays: dict[str, NDArray[np.uint8]]) -> None:
        """Go on from the rank and the pictures of another one."""
        self.rank = (rank[0], rank[1], rank[2]) if rank is not None else None
        self.arrays = arrays

    def add(self, episodes: Sequence[int], batch: Batch, prediction: Prediction) -> None:
        """Look at episodes with these numbers; `prediction` is of their first query, at any number of shots."""
        truth, probabilities = batch.queries[0].masks, prediction.probabilities
        if truth is None or probabilities is None:
            return
        counts = overlap.measure(prediction, truth, batch.supports.objects, thresholds=[THRESHOLD])
        hits, false, positives = (
            counts[name].sum(dim=1).tolist() for name in (f"tp@{THRESHOLD:g}", f"fp@{THRESHOLD:g}", "positives")
        )
        ratios = [hit / max(true + wrong, 1) for hit, wrong, true in zip(hits, false, positives, strict=True)]
        for row, rank in enumerate(zip(ratios, (-true for true in positives), episodes, strict=True)):
            if self.rank is None or rank < self.rank:
                self.rank = rank
                self.arrays = _pictures(str(rank[2]), batch.part(slice(row, row + 1)), probabilities[row])


def _pictures(episode: str, batch: Batch, probabilities: Tensor) -> dict[str, NDArray[np.uint8]]:
    query, frames = batch.queries[0], batch.supports.frames
    found = {"query0": query.images[0].permute(1, 2, 0), "prediction0": (probabilities.float() * 255).round()}
    found |= {f"support{k}": frame.images[0].permute(1, 2, 0) for k, frame in enumerate(frames)}
    found |= {f"mask{k}": frame.masks[0] for k, frame in enumerate(frames) if frame.masks is not None}
    found |= {"truth0": query.masks[0]} if query.masks is not None else {}
    return {f"{episode}/{name}": value.to(torch.uint8).cpu().numpy() for name, value in found.items()}
