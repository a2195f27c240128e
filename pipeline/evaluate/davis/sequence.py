"""Scoring a folder of results against the truth, sequence by sequence; one that fails is told and left out."""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.evaluate.davis.counts import COUNTS, VOID, count
from pipeline.evaluate.davis.folder import Truth, Year, read_labels
from pipeline.report.tally import Arrays

Counts = NDArray[np.int64]
LEAST = 3
"""Frames of a sequence: the first is given, and the last not scored."""


@dataclass(frozen=True)
class Scored:
    """What became of one sequence."""

    name: str
    counts: Counts | None = None
    """(frames, objects, 6), or None where it failed."""
    reason: str = ""
    """Why it failed, in one line."""


def score_sequences(truth: Truth, results: Path, year: Year, threads: int) -> Iterator[Scored]:
    """Count every frame of every sequence but its first and last.

    Frames are read and counted in `threads`, each holding one frame's two maps.
    """
    with ThreadPoolExecutor(threads) as pool:
        for name in truth.sequences:
            try:
                yield Scored(name, _score(truth.frames(name), results / name, year, pool))
            except UserError as error:
                yield Scored(name, reason=str(error))


def columns(scored: Sequence[Scored]) -> Arrays:
    """The sequences' counts as columns of the statistic `contours`, an episode a sequence.

    A query more than was counted stands for the last frame, which the aggregates leave out.
    """
    found: dict[str, list[Counts]] = {name: [] for name in ("episode", "query", "object", *COUNTS)}
    for episode, sequence in enumerate(scored):
        if sequence.counts is None:
            continue
        frames, objects, _ = sequence.counts.shape
        query, number = np.indices((frames + 1, objects)).reshape(2, -1)
        found["episode"].append(np.full_like(query, episode))
        found["query"].append(query)
        found["object"].append(number + 1)
        padded = np.concatenate([sequence.counts, np.zeros_like(sequence.counts[:1])])
        for k, name in enumerate(COUNTS):
            found[name].append(padded[..., k].ravel())
    return {name: np.concatenate(parts) if parts else np.zeros(0, np.int64) for name, parts in found.items()}


def _score(frames: list[Path], results: Path, year: Year, pool: ThreadPoolExecutor) -> Counts:
    """Counts (frames, objects, 6); `UserError` for anything wrong with truth or results."""
    if len(frames) < LEAST:
        many = f"{len(frames)} frame{'s' * (len(frames) != 1)}, where {LEAST} are the least"
        raise UserError(f"the truth of '{results.name}' has {many}: the first and the last are not scored, add more")
    objects, said = _objects(frames[0], year), [results / frame.name for frame in frames[1:-1]]
    _complete(results, said)
    return np.stack(list(pool.map(functools.partial(_frame, objects=objects, year=year), frames[1:-1], said)))


def _objects(first: Path, year: Year) -> int:
    """How many objects the first frame of the truth shows: its highest id."""
    labels = read_labels(first)
    shown = int(labels.any()) if year == "2016" else int(np.where(labels == VOID, 0, labels).max(initial=0))
    if shown == 0:
        hint = "; masks of 0 and 255 ask for --year 2016" if year == "2017" and (labels == VOID).any() else ""
        raise UserError(f"{first} shows no object, and the first frame says which there are: mend it{hint}")
    return shown


def _complete(folder: Path, wanted: list[Path]) -> None:
    if not folder.is_dir():
        raise UserError(f"no folder {folder}: write a mask for every frame, or leave the sequence out by --sequences")
    there = {path.name for path in folder.iterdir()}
    lacking = [path.name for path in wanted if path.name not in there]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise UserError(f"{folder} lacks {lacking[0]}{more}: write a mask for every frame but the first and the last")


def _frame(true: Path, said: Path, *, objects: int, year: Year) -> Counts:
    """Counts (objects, 6) of one frame."""
    truth, prediction = read_labels(true), read_labels(said)
    if truth.shape != prediction.shape:
        (height, width), (wanted_height, wanted_width) = prediction.shape, truth.shape
        sizes = f"is {width} x {height} pixels, its frame {wanted_width} x {wanted_height}"
        raise UserError(f"{said} {sizes}: save masks at the size of the frames")
    if year == "2016":
        return count(prediction[None], truth[None], 1, merged=True).reshape(1, len(COUNTS))
    if (highest := int(prediction.max())) > objects:
        hint = "; masks of 0 and 255 ask for --year 2016" if highest == VOID else ""
        few = f"the first frame of the truth has {objects} object{'s' * (objects != 1)}"
        raise UserError(f"{said} has the id {highest}, but {few}: number objects as it does{hint}")
    return count(prediction[None], truth[None], objects).reshape(objects, len(COUNTS))
