"""Scores as the report uses them: columns as arrays, read once."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.report.aggregates import Arrays, Tally, aggregate
from pipeline.report.job import Cell, Metric, ReportJob, Suite
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
    """The cell's tallies, one a seed."""
    return [
        aggregate(metric.aggregate, metric.parameters, columns_of(path, cell.shots, metric.statistic))
        for path in cell.scores
    ]


def failures(cell: Cell) -> list[str]:
    """Why the cell has no number: `path: reason` of each seed that failed."""
    headers = [(path, read_result(path).header) for path in cell.scores]
    return [f"{path}: {header.reason}" for path, header in headers if header.status == "failed"]


def suite_of(cell: Cell, job: ReportJob) -> Suite:
    """The suite of a cell."""
    return next(suite for suite in job.suites if suite.name == cell.suite)


def _array(values: list[Any]) -> NDArray[Any]:
    return np.array([np.nan if value is None else value for value in values])
