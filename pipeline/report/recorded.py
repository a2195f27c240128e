"""Recorded results: numbers of real runs of ours that git keeps, because results/ shows the current profile only."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import field_validator

from pipeline.errors import UserError
from pipeline.job import Facts, parse
from pipeline.manifest import write_atomic
from pipeline.report.job import ReportJob, Suite
from pipeline.report.learning import log_of, read_log
from pipeline.report.published import Key, Published, find_published, read_tsv
from pipeline.report.row import Row
from pipeline.report.table import Entry


class Recorded(Facts):
    """One row of a recorded.tsv: a row of results/all.tsv, and how much it was trained on. Empty fields are None."""

    table: str
    dataset: str
    split: str
    protocol: str
    system: str
    trained_on: str
    train_list: str
    snapshot: str
    """As in a row of the table."""
    weights: str
    shots: int
    augmentation: str
    oracle: bool
    metric: str
    value: float
    """A fraction, as are the ends of its 95 % interval."""
    ci_low: float
    ci_high: float
    episodes: int
    """Test episodes."""
    seeds: int
    profile: str
    budget: str
    schedule: float | None = None
    """As in a row of the table; None, too, in rows that are older than the column."""
    complete: bool
    samples: int | None
    """Episodes one seed has seen in training, over all stages; None for an untrained system."""
    seconds: float | None
    device: str
    note: str
    """What sets the run apart, in words."""

    @field_validator("schedule", "samples", "seconds", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def key(self) -> tuple[Key, str, str, str]:
        """What the number is about, of which weights, under which profile and budget."""
        about = self.dataset, self.split, self.protocol, self.system, self.trained_on, self.shots, self.augmentation
        return (*about, self.metric), self.snapshot.partition(":")[0], self.profile, self.budget

    def row(self, suite: str, published: Sequence[Published]) -> Row:
        """The same as a row of the table, beside the number that is published for it."""
        way = self.snapshot.endswith("%") and ":" not in self.snapshot
        number = None if way else find_published(published, self.key[0], self.table)
        return Row(
            suite=suite,
            status="recorded",
            published=number.fraction if number else None,
            difference=self.value - float(number.fraction) if number else None,
            **self.model_dump(exclude={"samples", "note"}),
        )


HEADER = tuple(Recorded.model_fields)


def read_recorded(path: Path) -> list[Recorded]:
    """All rows of a recorded.tsv; `UserError` names the line and the column at fault."""
    return [parse(Recorded, line, place) for place, line in read_tsv(path)]


def record(job: ReportJob, found: Sequence[Entry], note: str) -> list[Path]:
    """Put every number of `found` into its suite's recorded.tsv, in place of an older one of its key; return the paths.

    What stands for several levels together, and was made of some of them alone, would pass for the whole: it stays out.
    `UserError` under the profile `sample`, whose data are made up.
    """
    if job.profile == "sample":
        raise UserError("the profile 'sample' runs on made-up data: only runs of 'lite' or 'paper' are recorded")
    return [_record(suite, found, note) for suite in job.suites]


def _record(suite: Suite, found: Sequence[Entry], note: str) -> Path:
    path = Path(suite.recorded)
    kept = {row.key: row for row in read_recorded(path)}
    for entry in found:
        part = entry.cell is not None and not entry.cell.whole
        if entry.row.suite == suite.name and entry.row.value is not None and not part:
            new = _recorded(entry, note)
            kept[new.key] = new
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(["" if v is None else _text(v) for v in row.model_dump().values()] for row in kept.values())
    write_atomic(path, text.getvalue())
    return path


def _recorded(entry: Entry, note: str) -> Recorded:
    fields = {name: getattr(entry.row, name) for name in HEADER if name not in ("samples", "note")}
    log = log_of(entry.cell.models[0]) if entry.cell and entry.cell.models else None
    share = _share(entry.row)
    samples = round(read_log(log)[2][-1] * share) if log and share else None
    return Recorded(**fields, samples=samples, note=note)


def _share(row: Row) -> float | None:
    """How much of its training the weights saw; None where it differs between folds or seeds."""
    shares = {int(percent) / 100 for percent in re.findall(r"(\d+)%", row.snapshot)} or {1.0}
    return shares.pop() if len(shares) == 1 else None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
