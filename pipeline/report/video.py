"""J and F of video objects, as DAVIS's official evaluation has them (semi-supervised protocol).

Of the statistic `contours`. An episode is a sequence, its support the first frame, its queries the others; the last is
not scored, nor a sequence that has no other. Every object has a mean over its frames, a recall and a decay; a metric is
the plain mean over all objects of all sequences, so that a sequence of five objects weighs five times as much as one of
one.
"""

from collections.abc import Callable

import numpy as np

from pipeline.errors import UserError
from pipeline.report.tally import Arrays, Floats, Tally

Summary = Callable[[Floats], float]
"""What becomes of one object's values, frame by frame."""


def regions(columns: Arrays) -> Floats:
    """J of every row: intersection over union; 1 where both masks are empty."""
    union = columns["union"].astype(np.float64)
    ratio: Floats = np.divide(columns["intersection"], union, out=np.ones_like(union), where=union != 0)
    return ratio


def contours(columns: Arrays) -> Floats:
    """F of every row: the harmonic mean of boundary precision and recall.

    A boundary that is not there is perfectly matched by none, and not at all by one.
    """
    said, true = columns["predicted"].astype(np.float64), columns["boundary"].astype(np.float64)
    precision = np.divide(columns["precise"], said, out=np.ones_like(said), where=said != 0)
    recall = np.divide(columns["recalled"], true, out=np.ones_like(true), where=true != 0)
    recall[(said == 0) & (true > 0)] = 0.0
    precision[(said > 0) & (true == 0)] = 0.0
    both = precision + recall
    score: Floats = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both != 0)
    return score


def mean(values: Floats) -> float:
    """Mean over the frames; NaN is left out."""
    return float(np.nanmean(values))


def recall(values: Floats) -> float:
    """Share of the frames with more than 0.5."""
    return float(np.mean(values > 0.5))


def decay(values: Floats) -> float:
    """The mean of the first quarter of the frames minus that of the last; neighbouring quarters share a frame."""
    ends = quarters(len(values))
    return mean(values[ends[0] : ends[1] + 1]) - mean(values[ends[3] : ends[4] + 1])


def quarters(frames: int) -> list[int]:
    """The five frames at which the quarters of a sequence begin and end."""
    return [int(end) for end in np.round(np.linspace(1, frames, 5) + 1e-10) - 1]


def j_mean(columns: Arrays) -> Tally:
    """Mean J."""
    return _over_objects(columns, [(regions, mean)])


def j_recall(columns: Arrays) -> Tally:
    """Share of frames with J > 0.5."""
    return _over_objects(columns, [(regions, recall)])


def j_decay(columns: Arrays) -> Tally:
    """How much J falls from the first quarter of a sequence to the last; lower is better."""
    return _over_objects(columns, [(regions, decay)])


def f_mean(columns: Arrays) -> Tally:
    """Mean F."""
    return _over_objects(columns, [(contours, mean)])


def f_recall(columns: Arrays) -> Tally:
    """Share of frames with F > 0.5."""
    return _over_objects(columns, [(contours, recall)])


def f_decay(columns: Arrays) -> Tally:
    """How much F falls from the first quarter of a sequence to the last; lower is better."""
    return _over_objects(columns, [(contours, decay)])


def j_and_f(columns: Arrays) -> Tally:
    """Mean of `j_mean` and `f_mean`, DAVIS's one number."""
    return _over_objects(columns, [(regions, mean), (contours, mean)])


def _over_objects(columns: Arrays, parts: list[tuple[Callable[[Arrays], Floats], Summary]]) -> Tally:
    """The mean over objects of the mean over `parts`: a sum of each episode's objects, and their number."""
    columns = _without_last(columns)
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    values = [measure(columns) for measure, _ in parts]
    sums = np.zeros((len(episodes), 2))
    for place, rows in _objects(columns, row):
        summaries = [summary(each[rows]) for each, (_, summary) in zip(values, parts, strict=True)]
        sums[place] += np.mean(summaries), 1
    return Tally(episodes.astype(np.int64), sums, lambda total: total[..., 0] / total[..., 1])


def _without_last(columns: Arrays) -> Arrays:
    """All rows but those of the last frame of each sequence; one with a single query has none left to score.

    `UserError` where that is so of every sequence.
    """
    episodes, row = np.unique(columns["episode"], return_inverse=True)
    last = np.zeros(len(episodes), dtype=np.int64)
    np.maximum.at(last, row, columns["query"])
    if len(last) and not last.any():
        message = "every sequence has one annotated query, and the last is not scored: annotate 3 frames or more"
        raise UserError(message)
    scored = columns["query"] < last[row]
    return {name: values[scored] for name, values in columns.items()}


def _objects(columns: Arrays, episode: np.ndarray[tuple[int], np.dtype[np.intp]]) -> list[tuple[int, np.ndarray]]:
    """Place of its episode and rows, in the order of frames, of every object."""
    order = np.lexsort([columns[name] for name in ("query", "object", "episode")])
    keys = np.stack([episode[order], columns["object"][order]])
    starts = np.flatnonzero(np.diff(keys, axis=1, prepend=-1).any(axis=0))
    return [(int(episode[rows[0]]), rows) for rows in np.split(order, starts[1:]) if len(rows)]
