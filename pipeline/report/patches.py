"""Accuracy of classifiers by segmented share: an image is of the class where enough of it is segmented.

Of the statistic `overlap`; the truth is that an image is of the class where its mask has a pixel. In the rows of the
renderer `texture_classes` episode e shows patch e % `patches`, on a training image, query 0, and a test image, query 1
(Ustyuzhaninov et al. 2018, section 6.7).
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.report.pooled import counted, thresholds
from pipeline.report.tally import Arrays, Floats, Tally

Pick = Literal["best", "mean", "worst"]


def segmented(columns: Arrays, threshold: float, share: float) -> NDArray[np.bool_]:
    """(rows,) whether more than `share` of the scored pixels are likelier than `threshold`; exactly as much is not."""
    hits, false = counted(columns, threshold)
    exact = Fraction(str(share))
    return np.asarray((hits + false) * exact.denominator > columns["pixels"] * exact.numerator)


def image_accuracy(columns: Arrays, *, threshold: float, share: float) -> Tally:
    """Share of rows whose answer is right."""
    right = _right(columns, threshold, share)
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    sums = np.stack([np.bincount(row, weights=right), np.bincount(row).astype(np.float64)], axis=-1)
    return Tally(episodes.astype(np.int64), sums, lambda total: total[..., 0] / total[..., 1])


def patch_accuracy(columns: Arrays, *, threshold: float | None, share: float, patches: int, pick: Pick) -> Tally:
    """Accuracy on test images, averaged over classes: of each class's best or worst patch, or the mean of its patches.

    Without a `threshold` it is `trained_threshold`'s, which resamples leave as it is.

    Best and worst are chosen by their accuracy on training images; of equal ones the first. A patch's accuracy is the
    mean of those on images of its class and on others, which are as many: in a resample, where they are not, a patch
    that is never right would else win by luck. A patch with images of one kind alone has none.
    """
    if threshold is None:
        threshold = trained_threshold(columns, share=share, patches=patches)
    right, patch = _right(columns, threshold, share), columns["episode"] % patches
    of_class = columns["positives"] > 0
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    # Of training images, then of test images: right ones and all of those of the class, and of the others.
    sums = np.zeros((len(episodes), 8 * patches))
    first = (4 * columns["query"] + 2 * ~of_class) * patches + patch
    np.add.at(sums, (row, first), right)
    np.add.at(sums, (row, first + patches), 1)
    classes = _classes(columns, patches)
    return Tally(episodes.astype(np.int64), sums, lambda total: _picked(total, classes, pick))


def trained_threshold(columns: Arrays, *, share: float, patches: int) -> float:
    """The counted threshold at which the classes' best patches do best on training images; of equal ones the highest.

    A model that is not sure of anything segments nothing at the published one, and all its patches are then as good.
    """

    def accuracy(threshold: float) -> float:
        ranks = ranking(columns, threshold=threshold, share=share, patches=patches)
        best = {rank.kind: rank.train for rank in reversed(ranks) if not np.isnan(rank.train)}
        return sum(best.values()) / max(1, len(best))

    return max(reversed(thresholds(columns)), key=accuracy)


@dataclass(frozen=True)
class Rank:
    """One patch."""

    number: int
    """The remainder, by the number of patches, of the episodes that show it."""
    kind: int
    """Its class."""
    train: float
    """Accuracy on training images, by which it is ranked."""
    test: float


def ranking(columns: Arrays, *, threshold: float | None, share: float, patches: int) -> list[Rank]:
    """All patches that were tried, by class, the best first."""
    tally = patch_accuracy(columns, threshold=threshold, share=share, patches=patches, pick="mean")
    train, test = _accuracies(tally.sums.sum(axis=0))
    kinds = _classes(columns, patches)
    ranks = [Rank(p, int(kinds[p]), float(train[p]), float(test[p])) for p in range(patches) if kinds[p]]
    return sorted(ranks, key=lambda rank: (rank.kind, -rank.train, rank.number))


def _right(columns: Arrays, threshold: float, share: float) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = segmented(columns, threshold, share) == (columns["positives"] > 0)
    return right


def _classes(columns: Arrays, patches: int) -> NDArray[np.int64]:
    """(patches,) the class of each, 0 for one that was not tried."""
    kinds = np.zeros(patches, np.int64)
    kinds[columns["episode"] % patches] = columns["class"]
    return kinds


def _accuracies(total: Floats) -> tuple[Floats, Floats]:
    """(..., 8 P) -> (..., P) on training and on test images; NaN for a patch without images of both kinds."""
    parts = np.split(total, 8, axis=-1)
    own, others, own_test, others_test = (_ratio(*parts[k : k + 2]) for k in (0, 2, 4, 6))
    return (own + others) / 2, (own_test + others_test) / 2


def _picked(total: Floats, classes: NDArray[np.int64], pick: Pick) -> Floats:
    train, test = _accuracies(total)
    values = []
    for kind in np.unique(classes[classes > 0]):
        ranked, own = train[..., classes == kind], test[..., classes == kind]
        if pick == "mean":
            values.append(_mean(own))
            continue
        worth = np.where(np.isnan(ranked), -np.inf, ranked if pick == "best" else -ranked)
        values.append(np.take_along_axis(own, worth.argmax(-1)[..., None], axis=-1)[..., 0])
    return _mean(np.stack(values, axis=-1))


def _mean(values: Floats) -> Floats:
    """(..., n) -> (...), of those that are no NaN; NaN where all are."""
    return _ratio(np.nansum(values, axis=-1), (~np.isnan(values)).sum(axis=-1).astype(np.float64))


def _ratio(above: Floats, below: Floats) -> Floats:
    found: Floats = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return found
