"""A metric against a level or a threshold: ours beside the published one."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipeline.report.aggregates import iou
from pipeline.report.figure import MARKERS, STYLE, grid, paler, panel_title, shades, svg
from pipeline.report.job import Cell, Metric
from pipeline.report.pooled import thresholds
from pipeline.report.results import seeds_of
from pipeline.report.row import Row, label, metric_title, natural
from pipeline.report.shown import Curve, Sweep
from pipeline.report.table import Entry

Point = tuple[float, Row]
"""A level and the row that stands there."""
Key = tuple[str, str]
"""Label of a system, and the split, or what else it has several lines for."""
Lines = Mapping[Key, Sequence[Point]]
Marks = Mapping[str, tuple[str, str]]
"""Label -> colour and marker: the same in all figures of a suite."""

FEW = 4
"""So many lines have their legend below, and two such figures stand side by side."""
BELOW: dict[str, Any] = {"loc": "outside lower center", "ncols": 2}


def curve(plot: Curve, entries: Sequence[Entry], marks: Marks, recorded: Sequence[Row] = ()) -> str | None:
    """Ours as solid lines with their intervals, published ones dashed, recorded results as diamonds; or None.

    None where no row that the plot asks for has a level. Recorded results stand beside a line of their name alone:
    a record does not know its track.
    """
    ours = _lines(plot, [e.row for e in entries if e.cell and e.cell.track in plot.tracks and e.row.value is not None])
    printed = _lines(plot, [e.row for e in entries if e.row.published is not None])
    drawn = sorted({*ours, *printed}, key=lambda key: ([*marks, key[0]].index(key[0]), _rank(plot, key[1])))
    kept = {key: points for key, points in _lines(plot, recorded).items() if key in drawn}
    if not drawn:
        return None
    style = _style(plot, drawn, marks)
    few = len(drawn) <= FEW
    size = (5.7, 4.3) if few else (9.4, max(4.2, 0.3 + 0.2 * (len(drawn) + 3)))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        _draw(axes, ours, printed, kept, style)
        _axis(axes, plot, sorted({x for line in (*ours.values(), *printed.values()) for x, _ in line}))
        alone = len({variant for _, variant in drawn}) == 1 or (plot.lines == "split" and len(plot.splits) == 1)
        names = {key: key[0] if alone else f"{key[0]}, {_variant(plot, key[1])}" for key in drawn}
        handles = _handles({names[key]: style[key] for key in drawn}, bool(kept))
        figure.legend(handles=handles, **BELOW if few else {"loc": "outside right upper"})
        return svg(figure, plot.title)


def sweep(plot: Sweep, entries: Sequence[Entry], metric: Metric) -> str | None:
    """IoU against the threshold, a panel a system and a line a data set, the protocol's threshold marked; or None.

    None where no row that the plot asks for has a number.
    """
    cells: dict[str, list[Cell]] = {}
    for entry in sorted(entries, key=lambda entry: natural(entry.row.dataset)):
        row, cell = entry.row, entry.cell
        if cell and row.value is not None and _asked(plot, cell):
            cells.setdefault(label(row), []).append(cell)
    if not cells:
        return None
    levels = sorted({cell.dataset for group in cells.values() for cell in group}, key=natural)
    shade = shades(levels)
    with matplotlib.rc_context(STYLE):
        figure, panels = grid(len(cells), share=True)
        for axes, (name, group) in zip(panels, cells.items(), strict=True):
            _panel(axes, name, group, metric, shade)
        figure.supxlabel("threshold of the probability", fontsize=9.5)
        figure.supylabel(f"{metric_title(plot.metric)}, %", fontsize=9.5)
        handles = [Line2D([], [], color=shade[name], label=name) for name in levels]
        figure.legend(handles=handles, loc="outside right upper")
        return svg(figure, plot.title)


def _lines(plot: Curve, rows: Sequence[Row]) -> dict[Key, list[Point]]:
    lines: dict[Key, list[Point]] = {}
    for row in rows:
        level = re.fullmatch(plot.x, row.dataset)
        wanted = row.metric == plot.metric and row.split in plot.splits
        if level and wanted and (plot.systems is None or row.system in plot.systems):
            key = {
                "split": (label(row), row.split),
                "dataset": (label(row), level[level.re.groups]),
                "trained_on": (row.system, row.trained_on),
            }[plot.lines]
            lines.setdefault(key, []).append((float(level[1]), row))
    return {key: sorted(points, key=lambda point: point[0]) for key, points in lines.items()}


def _rank(plot: Curve, variant: str) -> tuple[object, ...]:
    return (plot.splits.index(variant),) if plot.lines == "split" else natural(variant)


def _variant(plot: Curve, variant: str) -> str:
    return f"trained on {variant}" if plot.lines == "trained_on" else variant


def _style(plot: Curve, drawn: Sequence[Key], marks: Marks) -> dict[Key, tuple[str, str]]:
    """A system's colour and marker, paler from its second split on; or a colour a line, and the system's marker."""
    if plot.lines == "split":
        return {key: (paler(marks[key[0]][0], 0.5 * (key[1] != plot.splits[0])), marks[key[0]][1]) for key in drawn}
    shade = shades(sorted({variant for _, variant in drawn}, key=natural))
    signs = dict(zip(dict.fromkeys(name for name, _ in drawn), itertools.cycle(MARKERS), strict=False))
    return {key: (shade[key[1]], signs[key[0]]) for key in drawn}


def _draw(axes: Axes, ours: Lines, printed: Lines, kept: Lines, style: Mapping[Key, tuple[str, str]]) -> None:
    for key, points in printed.items():
        values = [100 * float(row.published or 0) for _, row in points]
        axes.plot([x for x, _ in points], values, "--", color=style[key][0], linewidth=1.1, alpha=0.75)
    main = {name for name, _ in printed} or {name for name, _ in ours}
    for key, points in ours.items():
        _with_interval(axes, points, *style[key], 1.7 if key[0] in main else 0.9)  # what no paper prints is thinner
    for key, points in kept.items():
        values = [100 * (row.value or 0) for _, row in points]
        axes.plot([x for x, _ in points], values, "D", color=style[key][0], markerfacecolor="white")


def _with_interval(axes: Axes, points: Sequence[Point], colour: str, marker: str, width: float) -> None:
    at = [x for x, _ in points]
    low = [100 * (row.ci_low or 0) for _, row in points]
    high = [100 * (row.ci_high or 0) for _, row in points]
    axes.vlines(at, low, high, color=colour, linewidth=3, alpha=0.35)
    axes.plot(at, [100 * (row.value or 0) for _, row in points], "-", marker=marker, color=colour, linewidth=width)


def _axis(axes: Axes, plot: Curve, levels: Sequence[float]) -> None:
    if plot.log2:
        axes.set_xscale("log", base=2)
    axes.set_xticks(levels, labels=[f"{level:g}" for level in levels])
    axes.minorticks_off()
    axes.set_xlabel(plot.x_label)
    axes.set_ylabel(f"{metric_title(plot.metric)}, %")
    axes.set_ylim(0, 102)


def _handles(style: Marks, recorded: bool) -> list[Line2D]:
    grey = "#475467"
    kinds = [
        Line2D([], [], color=grey, marker="o", label="this run, with 95 % interval"),
        Line2D([], [], color=grey, linestyle="--", linewidth=1.1, label="published"),
    ]
    if recorded:
        kinds.append(Line2D([], [], color=grey, marker="D", markerfacecolor="white", ls="", label="recorded"))
    lines = [Line2D([], [], color=colour, marker=mark, label=name) for name, (colour, mark) in style.items()]
    return [*lines, *kinds]


def _asked(plot: Sweep, cell: Cell) -> bool:
    wanted = (cell.track, cell.metric, cell.split) == (plot.track, plot.metric, plot.split)
    return wanted and (plot.systems is None or cell.system in plot.systems)


def _panel(axes: Axes, name: str, cells: Sequence[Cell], metric: Metric, shade: dict[str, str]) -> None:
    for cell in cells:
        seeds = seeds_of(cell, metric.statistic)
        steps = thresholds(seeds[0])
        values = [100 * sum(iou(seed, step).mean() for seed in seeds) / len(seeds) for step in steps]
        axes.plot(steps, values, color=shade[cell.dataset])
    if "threshold" in metric.parameters:
        axes.axvline(metric.parameters["threshold"], color="#98a2b3", linestyle=":", linewidth=1.2)
    axes.set_title(panel_title(name))
    axes.set_ylim(0, 102)
