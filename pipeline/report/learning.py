"""Learning curves: the loss against the episodes seen, from the logs beside the weights."""

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

from pipeline.report.figure import STYLE, grid, panel_title, shades, svg
from pipeline.report.job import Cell
from pipeline.report.row import natural
from pipeline.report.tally import Floats

POINTS = 200
"""Most points of a drawn line; a longer log is averaged in as many pieces."""


def learning(cells: Sequence[Cell]) -> str | None:
    """A panel a trained system, a line a training set, the first seed of each; None where nothing was trained.

    Stages stand one after the other, a dotted line between them. Logs are lines of JSON with `stage`, `samples`
    (episodes that stage has seen) and `loss`.
    """
    logs: dict[str, dict[str, Path]] = {}
    for cell in sorted(cells, key=lambda cell: natural(cell.trained_on or "")):
        log = log_of(cell.models[0]) if cell.models else None
        together = len(cell.scores[0]) > 1  # several models, each of which has a cell of its own
        if log and cell.trained_on and not together:
            logs.setdefault(cell.system, {})[cell.trained_on] = log
    if not logs:
        return None
    names = sorted({name for group in logs.values() for name in group}, key=natural)
    shade = shades(names)
    with matplotlib.rc_context(STYLE):
        figure, panels = grid(len(logs), share=False)
        for axes, system in zip(panels, sorted(logs), strict=True):
            for name, log in logs[system].items():
                samples, losses, ends = read_log(log)
                axes.plot(samples, losses, color=shade[name], linewidth=1.2)
                for end in ends[:-1]:
                    axes.axvline(end, color="#98a2b3", linestyle=":", linewidth=1)
            axes.set_title(panel_title(system))
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        figure.supxlabel("episodes seen", fontsize=9.5)
        figure.supylabel("training loss", fontsize=9.5)
        figure.legend(
            handles=[Line2D([], [], color=shade[name], label=name) for name in names], loc="outside right upper"
        )
        return svg(figure, "Learning curves")


def log_of(model: str) -> Path | None:
    """The log in the folder of a model, whose manifest is at `model`; None where there is none."""
    log = Path(model).with_suffix("") / "log.jsonl"
    return log if log.is_file() else None


def read_log(path: Path) -> tuple[Floats, Floats, list[float]]:
    """Episodes seen so far over all stages, the loss there (both at most `POINTS` long), and where each stage ends.

    Lines without a loss count for nothing.
    """
    samples, losses, ends, base, stage = [], [], [], 0.0, None
    for line in map(json.loads, path.read_text().splitlines()):
        if "loss" not in line:
            continue
        if stage is not None and line["stage"] != stage:
            base = samples[-1]
            ends.append(base)
        stage = line["stage"]
        samples.append(base + line["samples"])
        losses.append(line["loss"])
    pieces = min(POINTS, len(samples)) or 1
    return _thin(samples, pieces), _thin(losses, pieces), [*ends, *samples[-1:]]


def _thin(values: Sequence[float], pieces: int) -> Floats:
    return np.array(
        [piece.mean() for piece in np.array_split(np.asarray(values, dtype=np.float64), pieces) if piece.size]
    )
