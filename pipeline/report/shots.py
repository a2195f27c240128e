"""A metric against the number of supports: ours with its interval, the published one as a cross."""

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.report.figure import STYLE, svg
from pipeline.report.row import Row, metric_title
from pipeline.report.shown import Shots
from pipeline.report.table import Entry


def by_shots(plot: Shots, entries: Sequence[Entry], marks: Mapping[str, tuple[str, str]]) -> str | None:
    """A line a system; None where no row that the plot asks for has a number. `marks`: system -> colour and marker."""
    lines: dict[str, list[Row]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.row.system, entry.row.shots)):
        row, cell = entry.row, entry.cell
        same = (row.dataset, row.split, row.metric) == (plot.dataset, plot.split, plot.metric)
        wanted = same and (plot.systems is None or row.system in plot.systems)
        if wanted and cell and cell.track == plot.track and row.value is not None:
            lines.setdefault(row.system, []).append(row)
    if not lines:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.7, 4.3), layout="constrained")
        axes = figure.add_subplot()
        for system, rows in lines.items():
            colour, marker = marks[system]
            at = [row.shots for row in rows]
            low, high = [100 * (row.ci_low or 0) for row in rows], [100 * (row.ci_high or 0) for row in rows]
            axes.vlines(at, low, high, color=colour, linewidth=3, alpha=0.35)
            axes.plot(at, [100 * (row.value or 0) for row in rows], "-", marker=marker, color=colour)
            printed = [(row.shots, 100 * float(row.published)) for row in rows if row.published is not None]
            axes.plot([x for x, _ in printed], [y for _, y in printed], "x", color=colour)
        axes.set_xticks(sorted({row.shots for rows in lines.values() for row in rows}))
        axes.set_xlabel("supports")
        axes.set_ylabel(f"{metric_title(plot.metric)}, %")
        handles = [Line2D([], [], color=marks[name][0], marker=marks[name][1], label=name) for name in lines]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        return svg(figure, plot.title)
