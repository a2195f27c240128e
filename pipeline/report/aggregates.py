"""Aggregates: how the statistics of single episodes become one number.

An aggregate turns columns into a tally, sums of each episode and the formula that ends in the number, so that one
matrix product resamples means, shares and pooled ratios alike.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError, nearest
from pipeline.report import patches, pooled, video
from pipeline.report.tally import Arrays, Floats, Tally


def mean_iou(columns: Arrays, *, threshold: float) -> Tally:
    """Intersection over union at probability `threshold`, averaged over rows and never pooled; 0/0 counts as 1.

    Of the statistic `overlap`: `tp@t`, `fp@t` and `positives`, in pixels (One-Shot Segmentation in Clutter, section 5).
    """
    return _mean(columns, iou(columns, threshold))


def best_iou(columns: Arrays) -> Tally:
    """The highest `mean_iou` over all thresholds that were counted, one for all rows.

    It is chosen on the test episodes themselves, and so bounds what a fixed one reaches.
    """
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    sums = [np.bincount(row, weights=iou(columns, threshold)) for threshold in pooled.thresholds(columns)]
    sums.append(np.bincount(row).astype(np.float64))
    return Tally(
        episodes.astype(np.int64),
        np.stack(sums, axis=-1),
        lambda total: (total[..., :-1] / total[..., -1:]).max(axis=-1),
    )


def best_threshold(columns: Arrays) -> float:
    """The threshold whose `mean_iou` is the highest; of equal ones, the lowest."""
    return max(pooled.thresholds(columns), key=lambda threshold: float(iou(columns, threshold).mean()))


def share_below(columns: Arrays, *, pixels: float) -> Tally:
    """Share of rows of `centre_distance` strictly below `pixels`; nothing found is wrong."""
    return _mean(columns, columns["distance"] < pixels)  # NaN, nothing found, is below nothing


def mean(columns: Arrays, *, column: str) -> Tally:
    """The mean of a column over an episode's rows, averaged over episodes; of those that have any row."""
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    if column not in columns and not len(row):  # the systems gives no such answer
        return Tally(episodes.astype(np.int64), np.empty((0, 2)), lambda total: total[..., 0] / total[..., 1])
    values = np.bincount(row, weights=columns[column]) / np.bincount(row)
    sums = np.stack([values, np.ones_like(values)], axis=-1)
    return Tally(episodes.astype(np.int64), sums, lambda total: total[..., 0] / total[..., 1])


def share(columns: Arrays) -> Tally:
    """Share of rows of `choice` that are correct."""
    return _mean(columns, columns["correct"])


AGGREGATES: dict[str, Callable[..., Tally]] = {
    f.__name__: f
    for f in (
        mean_iou,
        best_iou,
        share_below,
        share,
        mean,
        patches.image_accuracy,
        patches.patch_accuracy,
        pooled.class_iou,
        pooled.class_precision,
        pooled.class_recall,
        pooled.fb_iou,
        pooled.positive_iou,
        pooled.panet_binary,
        pooled.label_iou,
        video.j_mean,
        video.j_recall,
        video.j_decay,
        video.f_mean,
        video.f_recall,
        video.f_decay,
        video.j_and_f,
    )
}


def aggregate(name: str, parameters: Mapping[str, Any], columns: Arrays) -> Tally:
    """Apply the aggregate `name`, and note the supports of episodes that share them.

    `UserError` for an unknown name or parameter, or a threshold nobody counted.
    """
    if name not in AGGREGATES:
        raise UserError(f"unknown aggregate '{name}' in suite.yaml; {nearest(name, AGGREGATES)}")
    try:
        inspect.signature(AGGREGATES[name]).bind(columns, **parameters)
    except TypeError as error:
        raise UserError(f"aggregate '{name}' in suite.yaml: {error}; mend its parameters") from None
    tally = AGGREGATES[name](columns, **parameters)
    if "support" not in columns:
        return tally
    episodes, first = np.unique(columns["episode"], return_index=True)
    return replace(tally, supports=columns["support"][first[np.searchsorted(episodes, tally.episodes)]])


def iou(columns: Arrays, threshold: float) -> Floats:
    """(rows,) intersection over union at one threshold; 1 where neither truth nor prediction has a pixel."""
    hits, false = pooled.counted(columns, threshold)
    hit = hits.astype(np.float64)
    union = columns["positives"] + false  # tp + fn = positives
    ratio: Floats = np.divide(hit, union, out=np.ones_like(hit), where=union > 0)
    return ratio


def _mean(columns: Arrays, values: NDArray[Any]) -> Tally:
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    sums = np.stack([np.bincount(row, weights=values), np.bincount(row).astype(np.float64)], axis=-1)
    return Tally(episodes.astype(np.int64), sums, lambda total: total[..., 0] / total[..., 1])
