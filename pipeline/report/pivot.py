"""The published table beside ours: systems down, data sets across."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.row import label as label_of
from pipeline.report.row import natural
from pipeline.report.table import Entry


@dataclass(frozen=True)
class Line:
    """One system's cells, in the order of the pivot's data sets; None where there is neither a number nor a claim."""

    name: str
    oracle: bool
    note: str
    entries: list[Entry | None]

    @property
    def run(self) -> bool:
        """Whether any of its numbers is ours."""
        return any(entry and entry.cell for entry in self.entries)


@dataclass(frozen=True)
class Pivot:
    """One metric on one split of one family of data sets."""

    metric: str
    split: str
    track: str
    """Track of most of its cells; empty where none is ours."""
    tables: str
    """Where the papers print it (`Table 1`), or nothing."""
    datasets: list[str]
    lines: list[Line]

    @property
    def run(self) -> bool:
        """Whether any of its numbers is ours."""
        return any(line.run for line in self.lines)


def pivots(entries: Sequence[Entry], order: Sequence[str], splits: Sequence[str]) -> list[Pivot]:
    """All pivots of a suite's entries: those with numbers of ours first, among them those that papers print.

    Splits follow `splits`. Lines follow `order`, the systems as the papers list them; a variant follows its system,
    new ones come last.
    """
    groups: dict[tuple[str, str, str, str], list[Entry]] = {}
    for entry in entries:
        row = entry.row
        groups.setdefault((row.dataset.split("-")[0], row.protocol, row.split, row.metric), []).append(entry)
    made = [_pivot(group, order) for group in groups.values()]
    return sorted(made, key=lambda pivot: _rank(pivot, splits))


def _rank(pivot: Pivot, splits: Sequence[str]) -> tuple[object, ...]:
    unprinted = not pivot.tables.startswith("Table"), pivot.tables == ""
    return not pivot.run, *unprinted, natural(pivot.tables), [*splits, pivot.split].index(pivot.split)


def _pivot(entries: Sequence[Entry], order: Sequence[str]) -> Pivot:
    family = entries[0].row.dataset.split("-")[0]  # the data set of all levels together stands last
    datasets = sorted({entry.row.dataset for entry in entries}, key=lambda name: (name == family, natural(name)))
    listed = {system: place for place, system in reversed(list(enumerate(order)))}
    place = {label_of(e.row): listed.get(e.row.system, listed.get(e.row.system.split("-")[0], 999)) for e in entries}
    names = sorted(place, key=lambda name: (place[name], name))
    tables = {entry.row.table: None for entry in entries if entry.published}
    lines = [_line(name, [e for e in entries if label_of(e.row) == name], datasets) for name in names]
    first = entries[0].row
    tracks = Counter(entry.cell.track for entry in entries if entry.cell)  # several may share a table: the main one
    track = max(tracks, key=lambda name: tracks[name], default="")
    return Pivot(first.metric, first.split, track, ", ".join(tables), datasets, lines)


def _line(name: str, entries: Sequence[Entry], datasets: Sequence[str]) -> Line:
    at = {entry.row.dataset: entry for entry in entries}
    notes = dict.fromkeys(entry.published.note for entry in entries if entry.published and entry.published.note)
    oracle = any(entry.row.oracle for entry in entries) or any(note.startswith("oracle") for note in notes)
    return Line(name, oracle, "; ".join(notes), [at.get(dataset) for dataset in datasets])
