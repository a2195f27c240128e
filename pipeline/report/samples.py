"""What synthesizers made: a grid of samples with their masks over them, a row a system and pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.report.job import Cell
from pipeline.report.results import read_result
from pipeline.report.row import natural
from pipeline.report.shown import Samples
from pipeline.report.strips import OBJECTS, Pixels, uri


@dataclass(frozen=True)
class SampleRow:
    """The given pair, and the first samples of one system; pictures are `data:` addresses."""

    pair: str
    system: str
    given: str
    samples: list[str]


def sample_rows(plot: Samples, cells: Sequence[Cell]) -> list[SampleRow]:
    """The first `plot.pairs` pairs of the first seed's scores, of each the systems in the order of the plot."""
    archives: dict[str, Path] = {}
    for cell in cells:
        path = Path(cell.files[0]).with_suffix(".npz")
        if cell.track == plot.track and (plot.systems is None or cell.system in plot.systems) and path.is_file():
            archives.setdefault(cell.system, path)
    order = plot.systems or sorted(archives, key=natural)
    rows = []
    for system in (name for name in order if name in archives):
        names = read_result(archives[system].with_suffix(".json").as_posix()).header.names
        with np.load(archives[system]) as arrays:
            for episode in range(min(plot.pairs, len(names))):
                if f"{episode}/support0" in arrays.files:
                    rows.append((episode, names[episode], system, _row(arrays, episode)))
    place = {system: number for number, system in enumerate(order)}
    rows.sort(key=lambda row: (row[0], place[row[2]]))
    return [SampleRow(name, system, given, samples) for _, name, system, (given, samples) in rows]


def over(picture: Pixels, mask: Pixels) -> Pixels:
    """The picture (H, W, 3) with the objects of the index mask (H, W) tinted, a colour an object, and edged."""
    shown = picture.astype(np.uint16)
    for number in np.unique(mask[(mask > 0) & (mask < 255)]):
        inside = mask == number
        colour = np.array(OBJECTS[1 + (int(number) - 1) % (len(OBJECTS) - 1)], np.uint16)
        shown[inside] = (shown[inside] * 3 + colour * 2) // 5
        inner = inside.copy()
        inner[1:] &= inside[:-1]
        inner[:-1] &= inside[1:]
        inner[:, 1:] &= inside[:, :-1]
        inner[:, :-1] &= inside[:, 1:]
        shown[inside & ~inner] = colour
    return shown.astype(np.uint8)


def _row(arrays: Any, episode: int) -> tuple[str, list[str]]:
    names = sorted((name for name in arrays.files if name.startswith(f"{episode}/sample")), key=natural)
    images = [name for name in names if "mask" not in name]
    masks = {name: name.replace("/sample", "/sample_mask") for name in images}
    given = uri(over(arrays[f"{episode}/support0"], arrays[f"{episode}/mask0"]), photo=True)
    return given, [uri(over(arrays[name], arrays[masks[name]]), photo=True) for name in images]
