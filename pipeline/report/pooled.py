"""Ratios of pixels pooled over episodes before they are divided: the metrics of PASCAL-5i.

Every function takes the rows of one statistic and gives a tally of exact int64 sums. Where several folds are scored
together (column `part`), a metric is the mean of its values in each fold, unless it is asked to pool the folds too.
A ratio of nothing to nothing is 0, as in the authors' code: TP / max(TP + FP + FN, 1).
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.report.tally import Arrays, Floats, Tally

Counts = NDArray[np.int64]


def class_iou(columns: Arrays, *, threshold: float) -> Tally:
    """Mean over classes of TP / (TP + FP + FN), pixels summed over all episodes of a class (the metric of OSLSM).

    Of `overlap`, with classes. Classes without an episode do not count; background is no class.
    """
    hits, false = counted(columns, threshold)
    return _mean_ratio(columns, _classes(columns), hits, columns["positives"] + false)


def class_precision(columns: Arrays, *, threshold: float) -> Tally:
    """Mean over classes of TP / (TP + FP), pooled as in `class_iou`; 0 for a class that is never predicted."""
    hits, false = counted(columns, threshold)
    return _mean_ratio(columns, _classes(columns), hits, hits + false)


def class_recall(columns: Arrays, *, threshold: float) -> Tally:
    """Mean over classes of TP / (TP + FN), pooled as in `class_iou`."""
    hits, _ = counted(columns, threshold)
    return _mean_ratio(columns, _classes(columns), hits, columns["positives"])


def fb_iou(columns: Arrays, *, threshold: float, pooled: bool = False) -> Tally:
    """Mean of the IoU of foreground and of background, all classes pooled (co-FCN's metric; SG-One, Table 4).

    Of `overlap`. The mean of the folds' values as SG-One's text has it, or with `pooled` one ratio over the episodes
    of all folds, as its code has it.
    """
    return _stacked(columns, _foreground(columns, threshold), _background(columns, threshold), pooled=pooled)


def positive_iou(columns: Arrays, *, threshold: float, pooled: bool = False) -> Tally:
    """The IoU of foreground alone, all classes pooled (`pos_iu` of co-FCN's code): large and frequent classes rule."""
    return _stacked(columns, _foreground(columns, threshold), pooled=pooled)


def panet_binary(columns: Arrays, *, threshold: float) -> Tally:
    """As `fb_iou`, but an image counts for foreground, or background, only where its truth has any (PANet's code)."""
    inside, outside = _foreground(columns, threshold), _background(columns, threshold)
    there, around = columns["positives"] > 0, columns["pixels"] > columns["positives"]
    return _stacked(columns, _where(there, *inside), _where(around, *outside), pooled=False)


def label_iou(columns: Arrays, *, background: bool) -> Tally:
    """Mean over classes of the IoU of label maps (several classes a query; SG-One, section 4.4), of `labels`.

    With `background` it is one more class of each fold.
    """
    kinds, (hits, union) = _classes(columns), _union(columns, "")
    if not background:
        return _mean_ratio(columns, kinds, hits, union)
    around, beyond = _union(columns, "background_")
    twice = {name: np.tile(columns[name], 2) for name in ("episode", "part") if name in columns}
    kinds = np.concatenate([kinds, np.zeros_like(kinds)])
    return _mean_ratio(twice, kinds, np.concatenate([hits, around]), np.concatenate([union, beyond]))


def class_ious(columns: Arrays, threshold: float) -> dict[int, float]:
    """Class -> its IoU, ascending, pooled over all episodes of the class, whatever the fold."""
    kinds = _classes(columns)
    hits, false = counted(columns, threshold)
    union = columns["positives"] + false
    return {int(k): int(hits[kinds == k].sum()) / max(int(union[kinds == k].sum()), 1) for k in np.unique(kinds)}


def counted(columns: Arrays, threshold: float) -> tuple[Counts, Counts]:
    """The columns of true and of false positives at `threshold`; `UserError` where it was not counted."""
    if f"tp@{threshold:g}" not in columns:
        known = ", ".join(f"{t:g}" for t in thresholds(columns))
        raise UserError(f"threshold {threshold:g} was not counted; counted: {known}; mend the metric in suite.yaml")
    return columns[f"tp@{threshold:g}"], columns[f"fp@{threshold:g}"]


def thresholds(columns: Arrays) -> list[float]:
    """The thresholds at which a statistic `overlap` was counted, ascending."""
    return sorted(float(name.removeprefix("tp@")) for name in columns if name.startswith("tp@"))


def _foreground(columns: Arrays, threshold: float) -> tuple[Counts, Counts]:
    """(intersection, union) of every row; as there are TP + FN positives, TP + FP + FN = positives + FP."""
    hits, false = counted(columns, threshold)
    return hits, columns["positives"] + false


def _background(columns: Arrays, threshold: float) -> tuple[Counts, Counts]:
    hits, false = counted(columns, threshold)
    return columns["pixels"] - columns["positives"] - false, columns["pixels"] - hits


def _union(columns: Arrays, prefix: str) -> tuple[Counts, Counts]:
    hits, false, missed = (columns[f"{prefix}{name}"] for name in ("tp", "fp", "fn"))
    return hits, hits + false + missed


def _where(keep: NDArray[np.bool_], above: Counts, below: Counts) -> tuple[Counts, Counts]:
    return np.where(keep, above, 0), np.where(keep, below, 0)


def _classes(columns: Arrays) -> Counts:
    if "class" not in columns:
        raise UserError("this metric is a mean over classes, but the split has none: mend the track in suite.yaml")
    return columns["class"]


def _stacked(columns: Arrays, *ratios: tuple[Counts, Counts], pooled: bool) -> Tally:
    """Every ratio a group of its own."""
    names = ("episode",) if pooled else ("episode", "part")
    rows = {name: np.tile(columns[name], len(ratios)) for name in names if name in columns}
    groups = np.repeat(np.arange(len(ratios)), len(columns["episode"]))
    return _mean_ratio(rows, groups, *(np.concatenate(each) for each in zip(*ratios, strict=True)))


def _mean_ratio(columns: Arrays, groups: Counts, above: Counts, below: Counts) -> Tally:
    """The mean over parts of the mean over their groups of sum(above) / max(sum(below), 1)."""
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    parts = columns.get("part", np.zeros_like(groups))
    keys, place = np.unique(np.stack([parts, groups]), axis=1, return_inverse=True)
    sums = np.zeros((3, len(episodes), keys.shape[1]), dtype=np.int64)
    for total, values in zip(sums, (above, below, np.ones_like(above)), strict=True):
        np.add.at(total, (row, place.ravel()), values)
    member = (keys[0][:, None] == np.unique(keys[0])).astype(np.float64)
    return Tally(episodes.astype(np.int64), np.concatenate(list(sums), axis=1), lambda total: _finish(total, member))


def _finish(total: NDArray[np.int64] | Floats, member: Floats) -> Floats:
    """(..., 3 G) -> (...); `member` (G, P) says which part each of G groups is of."""
    above, below, rows = np.split(total, 3, axis=-1)
    drawn = (rows > 0).astype(np.float64)  # a group of which no episode was drawn again does not count
    each = (above / np.maximum(below, 1) * drawn) @ member
    groups = drawn @ member
    mean: Floats = (each / np.maximum(groups, 1)).sum(axis=-1) / np.maximum((groups > 0).sum(axis=-1), 1)
    return mean
