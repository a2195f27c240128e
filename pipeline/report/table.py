"""The table: every cell of the job, and the published numbers that no cell answers."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UserError, nearest
from pipeline.report.interval import interval
from pipeline.report.job import Cell, ReportJob, Suite
from pipeline.report.published import Key, Published, find_published, read_published
from pipeline.report.results import failures, lost, read_result, settled, suite_of, tallies
from pipeline.report.row import NOT_APPLICABLE, NOT_RUN, PARTLY, Row, place
from pipeline.report.tally import in_all
from pipeline.scores import Timing, read_timing


@dataclass(frozen=True)
class Entry:
    """A row and where it comes from."""

    row: Row
    cell: Cell | None
    """None for a published number that was not run."""
    published: Published | None

    @property
    def last(self) -> bool:
        """Whether it is of no snapshot of a training, but of its last weights, or of none."""
        return not self.row.snapshot


def entries(job: ReportJob, system: str | None = None) -> list[Entry]:
    """All rows in the table's order; of one system where `system` is given, whose scores alone are read then."""
    published = {suite.name: read_published(Path(suite.published)) for suite in job.suites}
    cells = [cell for cell in job.cells if system in (None, cell.system)]
    if system is not None and not cells:
        raise UserError(f"no cell of system '{system}'; {nearest(system, {cell.system for cell in job.cells})}")
    ours = [_entry(settled(cell, job), job, published[cell.suite]) for cell in cells]
    answered: dict[str, set[Key]] = {suite.name: set() for suite in job.suites}
    for cell in cells:
        answered[cell.suite].add(_key(cell))
    holes = [
        _hole(job, suite, number)
        for suite in job.suites
        for number in published[suite.name]
        if system in (None, number.system) and not any(number.answers(key) for key in answered[suite.name])
    ]
    return sorted([*ours, *holes], key=lambda entry: place(entry.row))


def timings(paths: Iterable[str]) -> list[Timing]:
    """The timings beside scores and models, where they are."""
    return [timing for path in paths if (timing := read_timing(Path(path))) is not None]


def _key(cell: Cell) -> Key:
    trained_on = cell.trained_on or ""
    return (
        cell.dataset,
        cell.split,
        cell.protocol,
        cell.system,
        trained_on,
        cell.shots,
        cell.augmentation,
        cell.metric,
    )


def _entry(cell: Cell, job: ReportJob, rows: list[Published]) -> Entry:
    number = None if cell.on_the_way else find_published(rows, _key(cell), cell.table)
    headers = [read_result(path).header for path in cell.files]
    spent = timings([*cell.files, *cell.models])
    row = Row(
        suite=cell.suite,
        table=number.table if number else "" if cell.on_the_way else cell.table,
        dataset=cell.dataset,
        split=cell.split,
        protocol=cell.protocol,
        system=cell.system,
        trained_on=cell.trained_on or "",
        train_list=cell.train_list,
        snapshot=cell.snapshot,
        weights="+".join(sorted({header.weights for header in headers})),
        shots=cell.shots,
        augmentation=cell.augmentation,
        oracle=cell.oracle,
        metric=cell.metric,
        **_numbers(cell, job, number),
        seeds=len(cell.scores),
        published=number.fraction if number else None,
        profile=job.profile,
        budget=f"{job.budget:g}",
        schedule=cell.schedule,
        complete=cell.whole and all(header.complete for header in headers),
        seconds=sum(timing.seconds for timing in spent) if spent else None,
        home=cell.home,
        device=" + ".join(dict.fromkeys(timing.device for timing in spent)),
    )
    return Entry(row, cell, number)


def _numbers(cell: Cell, job: ReportJob, number: Published | None) -> dict[str, Any]:
    """Value, interval, episodes, difference and status; one failed seed leaves the cell without a number.

    Episodes that a seed lost count in no other either.
    """
    if failures(cell):
        return {"status": "failed"}
    suite = suite_of(cell, job)
    if cell.metric not in suite.metrics:
        raise UserError(f"suite '{suite.name}': unknown metric '{cell.metric}'; {nearest(cell.metric, suite.metrics)}")
    metric = suite.metrics[cell.metric]
    found, missing = tallies(cell, metric), lost(cell)
    if missing:
        common = in_all(found)
        found = [tally.only(common) for tally in found]
    if not all(len(tally.episodes) for tally in found):
        return {"episodes": 0, "status": "failed" if missing else NOT_APPLICABLE}
    value = sum(tally.value for tally in found) / len(found)
    low, high = interval(found, job.bootstrap, seeds=metric.gain)
    return {
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "episodes": len(found[0].episodes),
        "difference": value - float(number.fraction) if number else None,
        "status": PARTLY if missing else "ok",
    }


def _hole(job: ReportJob, suite: Suite, number: Published) -> Entry:
    row = Row(
        suite=suite.name,
        **number.model_dump(exclude={"value", "scale", "note"}),
        published=number.fraction,
        profile=job.profile,
        budget=f"{job.budget:g}",
        status=NOT_RUN,
    )
    return Entry(row, None, number)
