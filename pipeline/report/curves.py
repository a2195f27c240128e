"""A metric against a level or a threshold: ours beside the published one."""

import re
from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.report.aggregates import iou, thresholds
from pipeline.report.figure import STYLE, colours, shades, svg
from pipeline.report.job import Cell, Curve, Metric, Sweep
from pipeline.report.results import columns_of
from pipeline.report.row import Row, label, metric_title, natural
from pipeline.report.table import Entry

Point = tuple[float, Row]
"""A level and the row that stands there."""


def curve(plot: Curve, entries: Sequence[Entry], recorded: Sequence[Row] = ()) -> str | None:
    """Ours as solid lines with their intervals, published ones dashed, recorded results as diamonds; or None.

    None where no row of the plot's metric and split has a level.
    """
    ours = _lines(plot, [e.row for e in entries if e.cell and e.cell.track == plot.track and e.row.value is not None])
    printed = _lines(plot, [e.row for e in entries if e.row.published is not None])
    kept = _lines(plot, recorded)
    if not ours and not printed:
        return None
    every = colours(label(entry.row) for entry in entries)  # those of the whole suite: the same in all its plots
    colour = {name: every.get(name, "#000000") for name in {**printed, **ours, **kept}}
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        for name, points in printed.items():
            values = [100 * float(row.published or 0) for _, row in points]
            axes.plot([x for x, _ in points], values, "--", color=colour[name], linewidth=1.1, alpha=0.75)
        for name, points in ours.items():
            _with_interval(axes, points, colour[name])
        for name, points in kept.items():
            values = [100 * (row.value or 0) for _, row in points]
            axes.plot([x for x, _ in points], values, "D", color=colour[name], markerfacecolor="white")
        _axis(axes, plot, sorted({x for line in (*ours.values(), *printed.values()) for x, _ in line}))
        axes.set_ylabel(f"{metric_title(plot.metric)}, %")
        _legend(figure, colour, bool(kept))
        return svg(figure, plot.title)


def sweep(plot: Sweep, entries: Sequence[Entry], metric: Metric) -> str | None:
    """IoU against the threshold, a panel a system and a line a data set, the protocol's threshold marked; or None.

    None where no row of the plot's track, metric and split has a number.
    """
    cells: dict[str, list[Cell]] = {}
    for entry in sorted(entries, key=lambda entry: natural(entry.row.dataset)):
        row, cell = entry.row, entry.cell
        if cell and row.value is not None and (cell.track, cell.metric, cell.split) == _address(plot):
            cells.setdefault(label(row), []).append(cell)
    if not cells:
        return None
    levels = sorted({cell.dataset for group in cells.values() for cell in group}, key=natural)
    shade = shades(levels)
    with matplotlib.rc_context(STYLE):
        wide = min(len(cells), 3)
        high = -(-len(cells) // wide)
        figure = Figure(figsize=(0.9 + 3.1 * wide, 0.5 + 2.7 * high), layout="constrained")
        panels = figure.subplots(high, wide, sharex=True, sharey=True, squeeze=False).flat
        for axes, (name, group) in zip(panels, cells.items(), strict=False):
            _panel(axes, name, group, metric, shade)
        for axes in list(panels)[len(cells) :]:
            axes.set_visible(False)
        figure.supxlabel("threshold of the probability", fontsize=9.5)
        figure.supylabel("IoU, %", fontsize=9.5)
        handles = [Line2D([], [], color=shade[name], label=name) for name in levels]
        figure.legend(handles=handles, loc="outside right upper")
        return svg(figure, plot.title)


def _lines(plot: Curve, rows: Sequence[Row]) -> dict[str, list[Point]]:
    lines: dict[str, list[Point]] = {}
    for row in rows:
        level = re.fullmatch(plot.x, row.dataset)
        if level and (row.metric, row.split) == (plot.metric, plot.split):
            lines.setdefault(label(row), []).append((float(level[1]), row))
    return {name: sorted(points, key=lambda point: point[0]) for name, points in lines.items()}


def _with_interval(axes: Axes, points: Sequence[Point], colour: str) -> None:
    at = [x for x, _ in points]
    low = [100 * (row.ci_low or 0) for _, row in points]
    high = [100 * (row.ci_high or 0) for _, row in points]
    axes.vlines(at, low, high, color=colour, linewidth=3, alpha=0.35)
    axes.plot(at, [100 * (row.value or 0) for _, row in points], "o-", color=colour)


def _axis(axes: Axes, plot: Curve, levels: Sequence[float]) -> None:
    if plot.log2:
        axes.set_xscale("log", base=2)
    axes.set_xticks(levels, labels=[f"{level:g}" for level in levels])
    axes.minorticks_off()
    axes.set_xlabel(plot.x_label)
    axes.set_ylim(0, 102)


def _legend(figure: Figure, colour: dict[str, str], recorded: bool) -> None:
    styles = [
        Line2D([], [], color="#475467", marker="o", label="this run, with 95 % interval"),
        Line2D([], [], color="#475467", linestyle="--", linewidth=1.1, label="published"),
    ]
    if recorded:
        styles.append(Line2D([], [], color="#475467", marker="D", markerfacecolor="white", ls="", label="recorded"))
    systems = [Line2D([], [], color=shade, label=name, linewidth=3) for name, shade in colour.items()]
    figure.legend(handles=[*systems, *styles], loc="outside right upper")


def _address(plot: Sweep) -> tuple[str, str, str]:
    return plot.track, plot.metric, plot.split


def _panel(axes: Axes, name: str, cells: Sequence[Cell], metric: Metric, shade: dict[str, str]) -> None:
    for cell in cells:
        seeds = [columns_of(path, cell.shots, metric.statistic) for path in cell.scores]
        steps = thresholds(seeds[0])
        values = [100 * sum(iou(seed, step).mean() for seed in seeds) / len(seeds) for step in steps]
        axes.plot(steps, values, color=shade[cell.dataset])
    if "threshold" in metric.parameters:
        axes.axvline(metric.parameters["threshold"], color="#98a2b3", linestyle=":", linewidth=1.2)
    axes.set_title(name)
    axes.set_ylim(0, 102)
