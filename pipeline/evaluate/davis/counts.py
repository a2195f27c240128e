"""The pixel counts behind J and F, of every frame and object of two volumes of label maps.

J is intersection over union; F compares boundaries: a pixel of one is matched where the other has a pixel within the
tolerance (Perazzi et al., CVPR 2016; as in the evaluation of the DAVIS challenge 2017). All is counted on rows of 64
pixels a word, one object at a time inside the box around its pixels, so that memory does not grow with the objects.
"""

import threading
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.davis import planes, runs
from pipeline.evaluate.davis.planes import Box, box_around, draw, draw_boundary, matched
from pipeline.evaluate.davis.runs import HEAD, Runs, scan
from pipeline.evaluate.davis.words import Words, common, total
from pipeline.render.jit import compiled

COUNTS = ("intersection", "union", "predicted", "precise", "boundary", "recalled")
"""Pixels of both masks; of either; of the predicted boundary, and of those near the true one; the same of the truth."""
MOST = 254
"""Objects at most: labels are bytes, and 255 is void."""
VOID = 255
TOLERANCE = 0.008
"""How far apart boundaries may be, as a part of the frame's diagonal."""
Void = Literal["background", "ignored"]
"""Void pixels of the truth: background (the semi-supervised protocol), or of no mask, the predicted ones included."""


class _Room(threading.local):
    """Where a thread counts: kept for frames of the same size, as fresh memory costs as much as counting."""

    size: tuple[int, int, int] | None = None
    arrays: tuple[Runs, Runs, Words]

    def of(self, height: int, width: int, reach: int) -> tuple[Runs, Runs, Words]:
        if self.size != (height, width, reach):
            self.arrays = runs.room(height * width), runs.room(height * width), planes.room(7, height, width, reach)
            self.size = height, width, reach
        return self.arrays


_ROOM = _Room()


def radius(height: int, width: int, tolerance: float = TOLERANCE) -> int:
    """Pixels within which boundaries match: a part of the diagonal, rounded up, or `tolerance` itself from 1 on."""
    return int(np.ceil(tolerance if tolerance >= 1 else tolerance * np.linalg.norm((height, width))))


def count(
    predictions: NDArray[np.uint8],
    truths: NDArray[np.uint8],
    objects: int,
    *,
    void: Void = "background",
    tolerance: float = TOLERANCE,
    merged: bool = False,
) -> NDArray[np.int64]:
    """(T, O, 6) `COUNTS` of the objects 1..O in the label maps (T, H, W) of T frames; other labels are background.

    If they are `merged`, all are object 1, and so is 255 in the predictions, and in the truth of frames without ids.
    `ValueError` for maps of unlike or no size, or more than 254 objects. The GIL is free meanwhile.
    """
    if predictions.shape != truths.shape or truths.ndim != 3 or truths.size == 0:
        raise ValueError(f"label maps of sizes {predictions.shape} and {truths.shape}")
    if not 0 <= objects <= MOST:
        raise ValueError(f"{objects} objects, where {MOST} are the most")
    height, width = truths.shape[1:]
    reach = radius(height, width, tolerance)
    half = np.sqrt(reach**2 - np.arange(reach + 1.0) ** 2).astype(np.int64)
    said, true, work = _ROOM.of(height, width, reach)
    counts = np.zeros((len(truths), objects, len(COUNTS)), np.int64)
    for row, prediction, truth in zip(counts, predictions, truths, strict=True):
        shown = np.where(truth == VOID, 0, prediction) if void == "ignored" else prediction
        p, t = runs.in_blocks(shown.reshape(-1)), runs.in_blocks(truth.reshape(-1))
        _count(row, p, p.view(np.uint64), t, t.view(np.uint64), height, width, said, true, half, work, merged)
    return counts


@compiled
def _count(
    counts: NDArray[np.int64],
    prediction: NDArray[np.uint8],
    prediction_words: Words,
    truth: NDArray[np.uint8],
    truth_words: Words,
    height: int,
    width: int,
    said: Runs,
    true: Runs,
    half: NDArray[np.int64],
    work: Words,
    merged: bool,
) -> None:
    """Fill the counts (O, 6) of one frame; `work` has room for seven planes."""
    numbers = np.zeros(256, np.uint8)
    for number in range(1, 256 if merged else len(counts) + 1):
        numbers[number] = 1 if merged else number
    scan(prediction, prediction_words, height * width, width, numbers, said)
    if merged:
        numbers[VOID] = 2
    scan(truth, truth_words, height * width, width, numbers, true)
    if merged and true.chains[1, HEAD] < 0:
        true.chains[1] = true.chains[2]
    for number in range(1, len(counts) + 1):
        box = box_around(said, true, number, ((len(half) - 1) >> 6) + 1)
        if box.rows > 0:
            size = (box.rows + 1) * box.stride + 2
            draw(work[0, :size], said, number, box)
            draw(work[1, :size], true, number, box)
            _count_object(counts[number - 1], box, height, width, half, work, size)


@compiled
def _count_object(
    counts: NDArray[np.int64], box: Box, height: int, width: int, half: NDArray[np.int64], work: Words, size: int
) -> None:
    mask, target, edge, target_edge = work[0, :size], work[1, :size], work[2, :size], work[3, :size]
    counts[0] = common(mask, target)
    counts[1] = total(mask) + total(target) - counts[0]
    counts[2] = draw_boundary(edge, mask, box, height, width)
    counts[4] = draw_boundary(target_edge, target, box, height, width)
    if counts[2] > 0 and counts[4] > 0:
        counts[3] = matched(edge, target_edge, box, half, work[4:])
        counts[5] = matched(target_edge, edge, box, half, work[4:])
