"""Aggregates: how the statistics of single episodes become one number.

An aggregate turns columns into a tally, sums of each episode and the formula that ends in the number, so that one
matrix product resamples means, shares and pooled ratios alike.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError, nearest

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
"""Column name -> one value a row."""


@dataclass(frozen=True)
class Tally:
    """Sufficient sums of every episode for one metric."""

    episodes: NDArray[np.int64]
    """(n,) numbers of the episodes, ascending."""
    sums: Floats
    """(n, s): whatever `finish` needs; sums over several episodes are sums of their rows."""
    finish: Callable[[Floats], Floats]
    """(..., s) -> (...): the metric of summed rows."""

    @property
    def value(self) -> float:
        """The metric over all episodes."""
        return float(self.finish(self.sums.sum(axis=0)))

    def only(self, episodes: NDArray[np.int64]) -> "Tally":
        """The same of those of its episodes that are among `episodes`."""
        keep = np.isin(self.episodes, episodes)
        return Tally(self.episodes[keep], self.sums[keep], self.finish)

    def single(self) -> dict[int, float]:
        """Episode -> its own value."""
        return dict(zip(self.episodes.tolist(), self.finish(self.sums).tolist(), strict=True))


def mean_iou(columns: Arrays, *, threshold: float) -> Tally:
    """Intersection over union at probability `threshold`, averaged over rows and never pooled; 0/0 counts as 1.

    Of the statistic `overlap`: `tp@t`, `fp@t` and `positives`, in pixels (One-Shot Segmentation in Clutter, section 5).
    """
    return _mean(columns, iou(columns, threshold))


def share_below(columns: Arrays, *, pixels: float) -> Tally:
    """Share of rows of `centre_distance` strictly below `pixels`; nothing found is wrong."""
    return _mean(columns, columns["distance"] < pixels)  # NaN, nothing found, is below nothing


def share(columns: Arrays) -> Tally:
    """Share of rows of `choice` that are correct."""
    return _mean(columns, columns["correct"])


AGGREGATES: dict[str, Callable[..., Tally]] = {f.__name__: f for f in (mean_iou, share_below, share)}


def aggregate(name: str, parameters: Mapping[str, Any], columns: Arrays) -> Tally:
    """Apply the aggregate `name`; `UserError` for an unknown name or parameter, or a threshold nobody counted."""
    if name not in AGGREGATES:
        raise UserError(f"unknown aggregate '{name}' in suite.yaml; {nearest(name, AGGREGATES)}")
    try:
        inspect.signature(AGGREGATES[name]).bind(columns, **parameters)
    except TypeError as error:
        raise UserError(f"aggregate '{name}' in suite.yaml: {error}; mend its parameters") from None
    return AGGREGATES[name](columns, **parameters)


def thresholds(columns: Arrays) -> list[float]:
    """The thresholds at which a statistic `overlap` was counted, ascending."""
    return sorted(float(name.removeprefix("tp@")) for name in columns if name.startswith("tp@"))


def iou(columns: Arrays, threshold: float) -> Floats:
    """(rows,) intersection over union at one threshold; 1 where neither truth nor prediction has a pixel."""
    if f"tp@{threshold:g}" not in columns:
        counted = ", ".join(f"{t:g}" for t in thresholds(columns))
        raise UserError(f"threshold {threshold:g} was not counted; counted: {counted}; mend the metric in suite.yaml")
    hit = columns[f"tp@{threshold:g}"].astype(np.float64)
    union = columns["positives"] + columns[f"fp@{threshold:g}"]  # tp + fn = positives
    ratio: Floats = np.divide(hit, union, out=np.ones_like(hit), where=union > 0)
    return ratio


def _mean(columns: Arrays, values: NDArray[Any]) -> Tally:
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    sums = np.stack([np.bincount(row, weights=values), np.bincount(row).astype(np.float64)], axis=-1)
    return Tally(episodes.astype(np.int64), sums, lambda total: total[..., 0] / total[..., 1])
