"""Films: every frame of a video with the predicted mask over it, as a GIF inside the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.report.aggregates import best_threshold
from pipeline.report.job import Cell, Metric
from pipeline.report.results import seeds_of, tallies
from pipeline.report.row import natural
from pipeline.report.shown import Film
from pipeline.report.strips import OBJECTS

Pixels = NDArray[np.uint8]

COLOURS = 64
"""Of a film's palette: what its bytes are mostly decided by."""
MILLISECONDS = 100
"""Each frame is shown for; DAVIS has 24 frames a second."""


@dataclass(frozen=True)
class Reel:
    """One system's film of one split."""

    split: str
    system: str
    shots: int
    threshold: float
    """Of the masks that are shown: the metric's, or else the best of those that were counted."""
    value: float
    """The metric, over all frames."""
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


def gif(pictures: Sequence[Pixels]) -> bytes:
    """Pictures (h, w, 3) of one size as an endless GIF."""
    reduce: dict[str, Any] = {"colors": COLOURS, "method": Image.Quantize.MEDIANCUT, "dither": Image.Dither.NONE}
    # One palette, from all frames below one another: frames with palettes of their own flicker.
    palette = Image.fromarray(np.concatenate(pictures[:: max(1, len(pictures) // 5)])).quantize(**reduce)
    frames = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0, optimize=False)
    return data.getvalue()


def _reel(cell: Cell, archive: Path, metric: Metric) -> Reel | None:
    threshold = metric.parameters.get("threshold")
    if threshold is None:
        threshold = best_threshold(seeds_of(cell, metric.statistic)[0])
    with np.load(archive) as arrays:
        names = sorted((name for name in arrays.files if name.endswith("/film")), key=natural)
        pictures = [overlay(arrays[name], threshold) for name in names]
    if not pictures:
        return None
    address = "data:image/gif;base64," + base64.b64encode(gif(pictures)).decode()
    return Reel(cell.split, cell.system, cell.shots, threshold, tallies(cell, metric)[0].value, address)
