"""What stands behind a system's numbers: its parameters, the seconds of an episode, the IoU of each class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.manifest import read_manifest
from pipeline.report.job import Cell, Metric, Suite
from pipeline.report.pooled import class_ious
from pipeline.report.results import seeds_of
from pipeline.report.row import label
from pipeline.report.shown import PrintedTime
from pipeline.scores import Timing, read_timing


@dataclass(frozen=True)
class Size:
    """Trained parameters of a system, and what is printed; None where there is none."""

    system: str
    parameters: int | None
    printed: str
    source: str


@dataclass(frozen=True)
class Speed:
    """Seconds of an episode at one number of supports; None where nothing was timed, or nothing is printed."""

    system: str
    shots: int
    split: str
    """What was timed (`pascal5i-fold0, oslsm`); empty where nothing was."""
    seconds: float | None
    episodes: int
    memory: int | None
    """Bytes, over all numbers of shots."""
    device: str
    printed: PrintedTime | None


@dataclass(frozen=True)
class PerClass:
    """The IoU of each class, fractions, the mean over seeds; of one system on one split."""

    name: str
    """Label of the system."""
    split: str
    values: Mapping[int, float]


def sizes(suite: Suite, cells: Sequence[Cell]) -> list[Size]:
    """Of all systems with a model, from the manifests of the first, then those that are only printed."""
    models = {cell.system: cell.models[0] for cell in reversed(cells) if cell.models}
    ours = {name: read_manifest(Path(path)).counts.get("parameters") for name, path in models.items()}
    printed = {each.system: each for each in suite.parameters}
    return [
        Size(name, ours.get(name), printed[name].printed, printed[name].source)
        if name in printed
        else Size(name, ours[name], "", "")
        for name in [*printed, *sorted(ours.keys() - printed.keys())]
    ]


def speeds(suite: Suite, cells: Sequence[Cell]) -> list[Speed]:
    """Of all systems that were timed, from the first of their evaluations that was, and those that are printed.

    Numbers of supports are those that are printed of any system.
    """
    found: dict[tuple[str, int], tuple[Timing, str]] = {}
    wanted = {each.shots for each in suite.times}
    alone = {path: cell for cell in reversed(cells) if len(cell.scores[0]) == 1 for path in cell.files}
    for path, of in alone.items():
        timing = read_timing(Path(path))
        for shots in wanted.intersection(timing.shots) if timing else ():
            if timing:
                found[of.system, shots] = timing, f"{of.dataset}, {of.split}"
    printed = {(each.system, each.shots): each for each in suite.times}
    made = []
    for system, shots in sorted({*found, *printed}):
        timing, split = found.get((system, shots), (None, ""))
        taken = timing.shots[shots] if timing else None
        made.append(
            Speed(
                system=system,
                shots=shots,
                split=split,
                seconds=taken.median if taken else None,
                episodes=taken.episodes if taken else 0,
                memory=timing.memory if timing else None,
                device=timing.device if timing else "",
                printed=printed.get((system, shots)),
            )
        )
    return made


def per_class(suite: Suite, cells: Sequence[Cell]) -> list[PerClass]:
    """Of every cell that means over classes and covers the most data (all folds, where they are scored together)."""
    chosen: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        if suite.metrics[cell.metric].aggregate == "class_iou":
            key = label(cell), cell.split
            if key not in chosen or len(cell.scores[0]) > len(chosen[key].scores[0]):
                chosen[key] = cell
    return [
        PerClass(name, split, _mean(cell, suite.metrics[cell.metric])) for (name, split), cell in sorted(chosen.items())
    ]


def _mean(cell: Cell, metric: Metric) -> dict[int, float]:
    seeds = [class_ious(columns, metric.parameters["threshold"]) for columns in seeds_of(cell, metric.statistic)]
    seen = sorted(set().union(*seeds))  # runs on tasks of their own may miss a class
    return {number: float(np.mean([seed[number] for seed in seeds if number in seed])) for number in seen}
