"""Films: every frame of a video with the predicted mask over it, as a GIF inside the page."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.gif import gif
from pipeline.report.aggregates import best_threshold
from pipeline.report.job import Cell, Metric
from pipeline.report.results import seeds_of, tallies
from pipeline.report.row import natural
from pipeline.report.shown import Film
from pipeline.report.strips import OBJECTS

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Reel:
    """One system's film of one split, or of one video of a split."""

    split: str
    system: str
    caption: str
    """Shots where there are several, and the threshold of the masks: the metric's, or the best of those counted."""
    value: float | None
    """The metric, over all frames; None where no frame has a mask to score against."""
    gif: str
    """A `data:` address."""


def reels(plot: Film, cells: Sequence[Cell], metric: Metric) -> list[Reel]:
    """The films beside the first seed's scores of the track's cells, by split and system, at the most shots."""
    found = {}
    for cell in sorted(cells, key=lambda cell: cell.shots):
        archive = Path(cell.files[0]).with_suffix(".npz")
        asked = (cell.track, cell.metric) == (plot.track, plot.metric)
        if asked and (plot.systems is None or cell.system in plot.systems) and archive.is_file():
            found[cell.split, cell.system] = cell, archive
    return [reel for place in sorted(found) if (reel := _reel(*found[place], metric)) is not None]


def overlay(frame: Pixels, threshold: float) -> Pixels:
    """A frame of a film (h, w, 4) -> picture (h, w, 3): what is likelier than `threshold` is tinted."""
    picture, likely = frame[..., :3].copy(), frame[..., 3] > 255 * threshold
    tint = np.array(OBJECTS[2], np.uint16)
    picture[likely] = ((picture[likely].astype(np.uint16) + tint) // 2).astype(np.uint8)
    return picture


def _reel(cell: Cell, archive: Path, metric: Metric) -> Reel | None:
    threshold = metric.parameters.get("threshold")
    if threshold is None:
        threshold = best_threshold(seeds_of(cell, metric.statistic)[0])
    with np.load(archive) as arrays:
        names = sorted((name for name in arrays.files if name.endswith("/film")), key=natural)
        pictures = [overlay(arrays[name], threshold) for name in names]
    if not pictures:
        return None
    caption = f"{cell.shots} shots, " * (cell.shots > 1) + f"above {threshold:g}"
    return Reel(cell.split, cell.system, caption, tallies(cell, metric)[0].value, address(pictures))


def address(pictures: Sequence[Pixels]) -> str:
    """Pictures (h, w, 3) as a GIF in a `data:` address."""
    return "data:image/gif;base64," + base64.b64encode(gif(pictures)).decode()
