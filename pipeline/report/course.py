"""A metric along training: at every snapshot and at the end, against the share of the training."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import matplotlib
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pipeline.report.figure import STYLE, grid, paler, panel_title, svg
from pipeline.report.row import Row, label, metric_title
from pipeline.report.shown import Course
from pipeline.report.table import Entry

Key = tuple[str, str]
"""Label of a system as if its weights were the last, and the split."""


def course(plot: Course, entries: Sequence[Entry], marks: Mapping[str, tuple[str, str]]) -> str | None:
    """A panel a data set: a line a system and split, one dotted across for the weights that another split chose, one
    dashed across for a system without snapshots; None where no snapshot that the plot asks for has a number.
    """
    panels = {name: _rows(plot, entries, name) for name in plot.datasets}
    panels = {name: rows for name, rows in panels.items() if any(row.snapshot for row in rows)}
    if not panels:
        return None
    along = {_key(row)[0] for rows in panels.values() for row in rows if row.snapshot}
    with matplotlib.rc_context(STYLE):
        figure, axes = grid(len(panels), share=True)
        drawn: dict[Key, str] = {}
        for place, (name, rows) in zip(axes, panels.items(), strict=True):
            drawn |= _panel(place, plot, rows, along, marks)
            place.set_title(panel_title(name))
            place.set_xlabel("share of the training, %")
            place.set_xlim(0, 103)
            place.set_ylim(0, None)
        figure.supylabel(f"{metric_title(plot.metric)}, %", fontsize=9.5)
        handles = []
        for key, line in drawn.items():
            text = f"{key[0]}, {key[1]}" if len(plot.splits) > 1 else key[0]
            marker = marks[key[0]][1] if line == "-" else ""
            handles.append(Line2D([], [], color=_colour(plot, key, marks), marker=marker, ls=line, label=text))
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        return svg(figure, plot.title)


def _rows(plot: Course, entries: Sequence[Entry], dataset: str) -> list[Row]:
    """The rows asked for, snapshots in order and the last weights behind them."""
    found = [
        entry.row
        for entry in entries
        if entry.cell
        and (entry.row.dataset, entry.row.metric, entry.row.shots) == (dataset, plot.metric, plot.shots)
        and entry.row.split in plot.splits
        and entry.row.value is not None
        and (plot.systems is None or entry.row.system in plot.systems)
    ]
    return sorted(found, key=lambda row: (plot.splits.index(row.split), _share(row)))


def _panel(
    axes: Axes, plot: Course, rows: Sequence[Row], along: set[str], marks: Mapping[str, tuple[str, str]]
) -> dict[Key, str]:
    """Draw one data set; return each line's style."""
    lines: dict[Key, list[Row]] = {}
    for row in rows:
        if _key(row)[0] in along or (plot.systems is not None and row.split == plot.splits[0]):
            lines.setdefault(_key(row), []).append(row)
    drawn = {}
    for key, all_rows in lines.items():
        colour = _colour(plot, key, marks)
        way = [row for row in all_rows if ":" not in row.snapshot]
        values = [100 * (row.value or 0) for row in way]
        if key[0] not in along:
            axes.axhline(values[-1], color=colour, ls="--", linewidth=1.1)
            drawn[key] = "--"
            continue
        at = [_share(row) for row in way]
        low, high = [100 * (row.ci_low or 0) for row in way], [100 * (row.ci_high or 0) for row in way]
        axes.vlines(at, low, high, color=colour, linewidth=3, alpha=0.35)
        axes.plot(at, values, "-", marker=marks[key[0]][1], color=colour)
        for row in all_rows:
            if row not in way:  # its place along the way differs from fold to fold and seed to seed
                axes.axhline(100 * (row.value or 0), color=colour, ls=":", linewidth=1.1)
        drawn[key] = "-"
    return drawn


def _colour(plot: Course, key: Key, marks: Mapping[str, tuple[str, str]]) -> str:
    return paler(marks[key[0]][0], 0.5 * (key[1] != plot.splits[0]))


def _key(row: Row) -> Key:
    return label(replace(row, snapshot="")), row.split


def _share(row: Row) -> float:
    return 100.0 if not row.snapshot or ":" in row.snapshot else float(row.snapshot.removesuffix("%"))
