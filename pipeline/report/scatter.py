"""One metric against another, a point a system: quality against diversity."""

from collections.abc import Mapping, Sequence

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.report.figure import STYLE, svg
from pipeline.report.row import metric_title
from pipeline.report.shown import Scatter
from pipeline.report.table import Entry

Value = tuple[float, float, float]
"""A value and the ends of its interval."""


def scatter(plot: Scatter, entries: Sequence[Entry], marks: Mapping[str, tuple[str, str]]) -> str | None:
    """Ours filled with both intervals, published ones hollow; None where no system has both metrics."""
    ours = {metric: _ours(plot, metric, entries) for metric in (plot.x, plot.y)}
    printed = {metric: _printed(metric, entries) for metric in (plot.x, plot.y)}
    both = [name for name in marks if name in ours[plot.x] and name in ours[plot.y]]
    known = [name for name in marks if name in printed[plot.x] and name in printed[plot.y]]
    if not both:
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.7, 4.6), layout="constrained")
        axes = figure.add_subplot()
        for name in both:
            (x, left, right), (y, low, high) = ours[plot.x][name], ours[plot.y][name]
            colour, marker = marks[name]
            axes.hlines(y, left, right, color=colour, linewidth=2, alpha=0.35)
            axes.vlines(x, low, high, color=colour, linewidth=2, alpha=0.35)
            axes.plot(x, y, marker=marker, color=colour, linestyle="")
        for name in known:
            colour, marker = marks[name]
            axes.plot(printed[plot.x][name], printed[plot.y][name], marker=marker, color=colour, fillstyle="none")
        axes.set_xlabel(metric_title(plot.x))
        axes.set_ylabel(metric_title(plot.y))
        shown = dict.fromkeys([*both, *known])
        handles = [
            Line2D([], [], color=marks[name][0], marker=marks[name][1], linestyle="", label=name) for name in shown
        ]
        if known:
            handles.append(Line2D([], [], color="#667085", marker="o", linestyle="", fillstyle="none", label="paper"))
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        return svg(figure, plot.title)


def _ours(plot: Scatter, metric: str, entries: Sequence[Entry]) -> dict[str, Value]:
    found = {}
    for entry in entries:
        row, cell = entry.row, entry.cell
        if cell and cell.track in plot.tracks and row.metric == metric and row.value is not None:
            found[row.system] = (row.value, row.ci_low or row.value, row.ci_high or row.value)
    return found


def _printed(metric: str, entries: Sequence[Entry]) -> dict[str, float]:
    rows = [entry.row for entry in entries if entry.row.metric == metric]
    return {row.system: float(row.published) for row in rows if row.published is not None}
