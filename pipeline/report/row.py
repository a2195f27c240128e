"""A row of the table: its columns in order, its place among the others, its text."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal

from pipeline.report.job import Cell
from pipeline.report.published import ANY

NOT_RUN = "published, not run"
NOT_APPLICABLE = "not applicable"
"""Of a system that gives no such answer: masks of a synthesizer without."""
PARTLY = "partly failed"
"""Of a number over those episodes that could be scored; the page names the others."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell: what was scored, the number beside the published one, and what it rests on. None is an empty field."""

    suite: str
    table: str
    dataset: str
    split: str
    protocol: str
    system: str
    trained_on: str
    train_list: str = ""
    snapshot: str = ""
    """`25%`: the weights after so much of the training; `base_val: 25%`: those that scored best on that split, one a
    seed and level; empty: the last ones."""
    weights: str = ""
    """`pretrained`, `scratch` or `none`; several seeds that differ are joined by `+`."""
    shots: int
    augmentation: str
    oracle: bool | None = None
    """Whether the system sees what a user would not have."""
    metric: str
    value: float | None = None
    """A fraction: the mean over seeds."""
    ci_low: float | None = None
    ci_high: float | None = None
    episodes: int | None = None
    seeds: int | None = None
    published: Decimal | None = None
    """A fraction with the printed digits."""
    difference: float | None = None
    """`value` minus `published`."""
    profile: str
    budget: str
    schedule: float | None = None
    """Share of the published training samples, the least over the system and what it needs; None if untrained."""
    complete: bool | None = None
    """False when trained or tested on a subset of the official data, or on the built-in sample."""
    status: str
    """`ok`, `failed`, `partly failed`, `not applicable` or `published, not run`; `recorded` on the page alone."""
    seconds: float | None = None
    """Training, the whole of it, and evaluation, over all seeds; the one column that differs between equal runs."""
    device: str = ""
    home: bool = field(default=False, metadata={"column": False})
    """Whether the training set goes without saying in a label (`Cell.home`); no column of the table."""


FORMATS = {"seconds": ".2f", "schedule": ".4g"}
"""Of columns that are no fractions with six digits."""
COLUMNS = tuple(each.name for each in fields(Row) if each.metadata.get("column", True))


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """A sorting key that puts `clutter-n8` before `clutter-n16`."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def place(row: Row) -> tuple[object, ...]:
    """The order of rows: by suite, table, split, metric and system, then by level."""
    return (
        row.suite,
        natural(row.table),
        row.split,
        row.metric,
        row.system,
        natural(row.dataset),
        natural(row.trained_on),
        natural(row.snapshot),
        row.shots,
        row.augmentation,
        row.protocol,
    )


def label(row: Row | Cell) -> str:
    """The system, and what sets it apart from a system of its name: a foreign training set, shots, augmentation.

    The training set `colltex` is not foreign to its levels, `colltex-n5-p64`; `pascal5i_base_only-fold0` is foreign to
    `pascal5i-fold0`, and told without the level that they have in common.
    """
    parts = [row.system]
    if row.trained_on not in (None, "", ANY) and not row.home and not _own(row.dataset, str(row.trained_on)):
        family, _, level = str(row.trained_on).partition("-")
        parts.append(f"trained on {family if level == row.dataset.partition('-')[2] else row.trained_on}")
    if row.snapshot:
        judge, chosen, _ = row.snapshot.partition(":")
        parts.append(f"chosen on {judge}" if chosen else f"after {row.snapshot} of training")
    if row.shots != 1:
        parts.append(f"{row.shots} shots")
    if row.augmentation != "none":
        parts.append(row.augmentation)
    return ", ".join(parts)


def _own(dataset: str, trained_on: str) -> bool:
    return f"{dataset}-".startswith(f"{trained_on}-")


def metric_title(metric: str) -> str:
    """A metric's name as a heading: `iou_drop` is `IoU drop`, `j_and_f` is `J&F`."""
    text = metric.replace("_", " ").replace("j and f", "J&F")
    if "J&F" in text:
        return text
    return text.replace("iou", "IoU") if "iou" in text else text.capitalize()


def to_tsv(rows: Iterable[Row]) -> str:
    """The table as text: a header, then one line a row; fractions with six digits."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_field(name, getattr(row, name)) for name in COLUMNS] for row in rows)
    return text.getvalue()


def _field(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:{FORMATS.get(name, '.6f')}}"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
