"""The table of a folder of results: all objects together, each sequence, and each object of one with several."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline.evaluate.davis.sequence import Scored, columns
from pipeline.report import video
from pipeline.report.tally import Arrays

METRICS = {
    "j_and_f": video.j_and_f,
    "j_mean": video.j_mean,
    "j_recall": video.j_recall,
    "j_decay": video.j_decay,
    "f_mean": video.f_mean,
    "f_recall": video.f_recall,
    "f_decay": video.f_decay,
}
TITLES = ("J&F", "J mean", "J recall", "J decay", "F mean", "F recall", "F decay")
ALL = "all"


@dataclass(frozen=True)
class Row:
    """One line."""

    sequence: str
    """Or `all`."""
    number: str
    """Of one object; empty for the mean over objects."""
    frames: int
    values: dict[str, float]
    """Metric -> fraction; none where the sequence failed."""
    reason: str = ""
    """Why it failed; of `all`, how many sequences did."""


def rows_of(scored: Sequence[Scored]) -> list[Row]:
    """The rows; of `all` the first, over the sequences that could be scored, and without values if there is none."""
    counted, whole = columns(scored), [each.counts for each in scored if each.counts is not None]
    lost = f"{len(scored) - len(whole)} of {len(scored)} sequences failed" if len(whole) < len(scored) else ""
    rows = [replace(_row(ALL, "", counted, sum(map(len, whole))), reason=lost)]
    for episode, each in enumerate(scored):
        if each.counts is None:
            rows.append(Row(each.name, "", 0, {}, each.reason))
            continue
        frames, objects, _ = each.counts.shape
        own = _part(counted, "episode", episode)
        rows.append(_row(each.name, "", own, frames))
        if objects > 1:
            rows += [_row(each.name, str(k), _part(own, "object", k), frames) for k in range(1, objects + 1)]
    return rows


def as_text(rows: Sequence[Row], *, every: bool) -> str:
    """Aligned columns of three digits; the first row, or `every` one."""
    width = max(len(_label(row)) for row in rows)
    lines = ["".join([" " * width, *(f"{title:>10}" for title in TITLES)])]
    for row in rows if every else rows[:1]:
        numbers = [f"{row.values[name]:10.3f}" for name in METRICS] if row.values else ["    failed"]
        lines.append("".join([f"{_label(row):<{width}}", *numbers]))
    return "\n".join(lines)


def as_tsv(rows: Sequence[Row]) -> str:
    """A header, then a line a row; fractions with six digits."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(["sequence", "object", "frames", *METRICS, "status", "reason"])
    for row in rows:
        numbers = [f"{row.values[name]:.6f}" if row.values else "" for name in METRICS]
        status = "ok" if not row.reason else "incomplete" if row.values else "failed"
        writer.writerow([row.sequence, row.number, row.frames or "", *numbers, status, row.reason])
    return text.getvalue()


def _row(sequence: str, number: str, counted: Arrays, frames: int) -> Row:
    values = {name: metric(counted).value for name, metric in METRICS.items()} if len(counted["episode"]) else {}
    return Row(sequence, number, frames, values)


def _part(counted: Arrays, column: str, value: int) -> Arrays:
    keep = counted[column] == value
    return {name: values[keep] for name, values in counted.items()}


def _label(row: Row) -> str:
    remark = f"({row.reason})" if row.values and row.reason else ""
    return " ".join(part for part in (row.sequence, row.number, remark) if part)
