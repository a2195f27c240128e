"""Videos: every frame with the objects that were found in it, a colour each, as a GIF inside the page."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.report.films import Reel, address
from pipeline.report.job import Cell, Metric
from pipeline.report.results import read_result, tallies
from pipeline.report.row import label, natural
from pipeline.report.samples import over
from pipeline.report.shown import Videos


def video_reels(plot: Videos, cells: Sequence[Cell], metric: Metric) -> list[Reel]:
    """The first `plot.videos` videos beside the first seed's scores of the cells with the plot's augmentations."""
    found = []
    for cell in sorted(cells, key=label):
        asked = (cell.track, cell.metric) == (plot.track, plot.metric) and cell.augmentation in plot.augmentations
        archive = Path(cell.files[0]).with_suffix(".npz")
        if asked and (plot.systems is None or cell.system in plot.systems) and archive.is_file():
            found += _reels(cell, archive, plot.videos, metric)
    return sorted(found, key=lambda reel: reel.split)


def _reels(cell: Cell, archive: Path, most: int, metric: Metric) -> list[Reel]:
    header = read_result(cell.files[0]).header
    single = tallies(cell, metric)[0].single()
    reels = []
    with np.load(archive) as arrays:
        for episode in range(min(most, len(header.names))):
            frames = sorted((name for name in arrays.files if name.startswith(f"{episode}/video")), key=natural)
            pictures = [over(arrays[name][..., :3], arrays[name][..., 3]) for name in frames]
            if pictures and episode not in header.failed:
                reels.append(Reel(header.names[episode], label(cell), "", single.get(episode), address(pictures)))
    return reels
