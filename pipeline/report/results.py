"""Scores as the report uses them: columns as arrays, read once."""

import functools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.manifest import canonical
from pipeline.report.aggregates import aggregate
from pipeline.report.job import Cell, Choice, Metric, ReportJob, Suite
from pipeline.report.tally import NOTHING, PART, Arrays, Tally, difference
from pipeline.scores import Scores, read_scores


@dataclass(frozen=True)
class Result:
    """One evaluation: its header, and its statistics as arrays."""

    header: Scores
    """Without statistics."""
    columns: Mapping[tuple[int, str], Arrays]
    """(shots, statistic) -> columns; a null in a column is NaN."""


@functools.lru_cache(maxsize=64)
def read_result(path: str) -> Result:
    """Read the scores at `path`, or take them from the last few that were read."""
    scores = read_scores(Path(path))
    columns = {
        (shots, statistic): {name: _array(values) for name, values in table.items()}
        for shots, statistics in scores.statistics.items()
        for statistic, table in statistics.items()
    }
    return Result(scores.model_copy(update={"statistics": {}}), columns)


def columns_of(path: str, shots: int, statistic: str) -> Arrays:
    """The columns of one statistic; `UserError` where the evaluation did not keep it."""
    found = read_result(path).columns
    if (shots, statistic) not in found:
        kept = ", ".join(f"'{name}' at {k} shots" for k, name in sorted(found)) or "nothing"
        raise UserError(f"{path} lacks '{statistic}' at {shots} shots (it holds {kept}): delete it and run snakemake")
    return found[shots, statistic]


def tallies(cell: Cell, metric: Metric) -> list[Tally]:
    """The cell's tallies, one a seed; of a gain, the differences on the episodes that both sides scored."""
    found = _tallies(cell, metric)
    if not metric.gain:
        return found
    others = _tallies(cell.model_copy(update={"scores": cell.reference}), metric)
    return [difference(own, other) for own, other in zip(found, others, strict=True)]


def seeds_of(cell: Cell, statistic: str) -> list[Arrays]:
    """The columns of one statistic, one table a seed.

    Where a cell scores several levels together, they stand below each other, with a column `part` (0, 1, ...) and the
    episodes of part p numbered from p * `PART`.
    """
    return [_joined([columns_of(path, cell.shots, statistic) for path in paths]) for paths in cell.scores]


def failures(cell: Cell) -> list[str]:
    """Why the cell has no number: `path: reason` of each seed that failed."""
    headers = [(path, read_result(path).header) for path in cell.files]
    return [f"{path}: {header.reason}" for path, header in headers if header.status == "failed"]


def lost(cell: Cell) -> list[str]:
    """Episodes that could not be scored where others were: `path: name: reason`."""
    found = []
    for path in cell.files:
        header = read_result(path).header
        if header.status == "ok":
            names = dict(enumerate(header.names))
            found += [f"{path}: {names.get(episode, episode)}: {why}" for episode, why in header.failed.items()]
    return found


def settled(cell: Cell, job: ReportJob) -> Cell:
    """The cell with its weights chosen: of equals the more trained ones; candidates that failed are none."""
    if cell.choice is None:
        return cell
    judge, metric = cell.choice, suite_of(cell, job).metrics[cell.choice.metric]

    def value(path: str, other: str) -> float:
        if read_result(path).header.status == "failed":
            return -math.inf
        return judged(other, judge.shots, metric.statistic, metric.aggregate, canonical(metric.parameters))

    paths, percents = [], []
    for seed in judge.among:
        found = [{percent: (path, value(path, other)) for percent, (path, other) in _by(judge, part)} for part in seed]
        best = [max(reversed(part), key=lambda percent: part[percent][1]) for part in found]
        paths.append([part[percent][0] for part, percent in zip(found, best, strict=True)])
        percents += best
    return cell.model_copy(
        update={
            "scores": paths,
            "choice": None,
            "snapshot": f"{cell.snapshot}: {', '.join(f'{percent}%' for percent in percents)}",
            "schedule": cell.schedule and cell.schedule * min(percents) / 100,
        }
    )


def _by(choice: Choice, part: Mapping[str, str]) -> Iterator[tuple[int, tuple[str, str]]]:
    return zip(choice.percents, part.items(), strict=True)


@functools.lru_cache(maxsize=4096)
def judged(path: str, shots: int, statistic: str, name: str, parameters: str) -> float:
    """The metric of one file of scores; less than any number where they failed."""
    if read_result(path).header.status == "failed":
        return -math.inf
    return aggregate(name, json.loads(parameters), columns_of(path, shots, statistic)).value


def suite_of(cell: Cell, job: ReportJob) -> Suite:
    """The suite of a cell."""
    return next(suite for suite in job.suites if suite.name == cell.suite)


def _tallies(cell: Cell, metric: Metric) -> list[Tally]:
    """As `tallies`, of one side; of columns without a row (videos of which no frame has a truth) there is nothing."""
    seeds = seeds_of(cell, metric.statistic)
    return [aggregate(metric.aggregate, metric.parameters, seed) if seed else NOTHING for seed in seeds]


def _joined(parts: Sequence[Arrays]) -> Arrays:
    if len(parts) == 1:
        return parts[0]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    number = np.repeat(np.arange(len(parts)), [len(part["episode"]) for part in parts])
    return {**joined, "part": number, "episode": joined["episode"] + number * PART}


def _array(values: list[Any]) -> NDArray[Any]:
    return np.array([np.nan if value is None else value for value in values])
