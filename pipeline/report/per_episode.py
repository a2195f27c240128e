"""A metric on every episode that has a name: videos and pairs down, systems across."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.job import Cell, Metric
from pipeline.report.results import read_result, tallies
from pipeline.report.row import label
from pipeline.report.shown import Episodes


@dataclass(frozen=True)
class EpisodeTable:
    """Values by episode; None where an episode failed in every seed, or the system gives no such answer."""

    title: str
    metric: str
    systems: list[str]
    rows: list[tuple[str, list[float | None]]]
    """(name, a value a system)."""
    failed: list[str]
    """`name, system: reason`, of all seeds."""


def episode_table(plot: Episodes, cells: Sequence[Cell], metric: Metric) -> EpisodeTable | None:
    """The table of one metric on the cells of a track, the mean over seeds; None where no episode has a name."""
    asked = [cell for cell in cells if (cell.track, cell.metric) == (plot.track, plot.metric)]
    values: dict[str, dict[str, float | None]] = {}
    systems, failed = [], []
    for cell in sorted(asked, key=label):
        header = read_result(cell.files[0]).header
        if not header.names:
            continue
        system = label(cell)
        systems.append(system)
        each = [tally.single() for tally in tallies(cell, metric)]
        for number, name in enumerate(header.names):
            found = [single[number] for single in each if number in single]
            values.setdefault(name, {})[system] = sum(found) / len(found) if found else None
        headers = [read_result(path).header for path in cell.files]
        failed += [f"{each.names[number]}, {system}: {why}" for each in headers for number, why in each.failed.items()]
    if not systems:
        return None
    rows = [(name, [own.get(system) for system in systems]) for name, own in values.items()]
    return EpisodeTable(plot.title, plot.metric, systems, rows, list(dict.fromkeys(failed)))
