"""Ranked patches as pictures: of each class those that classify training images best, and those that do worst."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.report.job import Cell, Metric
from pipeline.report.patches import ranking
from pipeline.report.results import seeds_of
from pipeline.report.shown import Patches
from pipeline.report.strips import uri

MOST = 5
"""Patches shown of the best and of the worst; half of all, where there are few."""


@dataclass(frozen=True)
class RankedPatch:
    """One patch: its picture as a `data:` address, and its accuracies, fractions."""

    picture: str
    train: float
    test: float


@dataclass(frozen=True)
class PatchRow:
    """One class as one system sees it."""

    system: str
    kind: int
    best: list[RankedPatch]
    worst: list[RankedPatch]
    """The worst last."""


def patch_rows(plot: Patches, cells: Sequence[Cell], metric: Metric) -> list[PatchRow]:
    """A row a system and class, of the first seed of every cell of the track whose supports were kept."""
    found = []
    for cell in sorted(cells, key=lambda cell: cell.system):
        archive = Path(cell.files[0]).with_suffix(".npz")
        if (cell.track, cell.metric) == (plot.track, plot.metric) and archive.is_file():
            found += _rows(cell, archive, metric)
    return found


def _rows(cell: Cell, archive: Path, metric: Metric) -> list[PatchRow]:
    given = {key: value for key, value in metric.parameters.items() if key != "pick"}
    ranks = ranking(seeds_of(cell, metric.statistic)[0], **given)
    rows = []
    with np.load(archive) as arrays:
        kept = [name for name in arrays.files if name.endswith("/shown")]
        named = {int(name.partition("/")[0]) % given["patches"]: name for name in kept}
        for kind in sorted({rank.kind for rank in ranks}):
            shown = [
                RankedPatch(uri(arrays[named[rank.number]]), rank.train, rank.test)
                for rank in ranks
                if rank.kind == kind and rank.number in named
            ]
            count = min(MOST, len(shown) // 2)
            rows.append(PatchRow(cell.system, kind, shown[:count], shown[len(shown) - count :]))
    return rows
