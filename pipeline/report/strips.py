"""Strips: what systems were shown, what they said and what was true, as pictures inside the page."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.report.job import Cell, Metric
from pipeline.report.results import read_result, tallies
from pipeline.report.row import label, metric_title, natural
from pipeline.report.shown import Levels

Pixels = NDArray[np.uint8]

OBJECTS: tuple[tuple[int, int, int], ...] = (
    (255, 255, 255), (86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (204, 121, 167),
)  # fmt: skip
"""Colours of objects 1, 2, ... in masks and predictions."""
VOID = (110, 110, 110)

LARGE, SHOWN = 256, 208
"""Pictures with a longer side above `LARGE` are shown with one of `SHOWN` pixels, twice what the page gives them."""


@dataclass
class Strip:
    """One episode: the frames all systems share, and each system's answer. Pictures are data URIs."""

    supports: list[str]
    query: str
    truth: str
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Label of a system -> picture, and its score on this episode as text (empty where there is none)."""
    failure: bool = False
    """Whether it is here because a system failed it most."""


def strips(cells: Sequence[Cell], metric: Metric, name: str, *, most: int = 4) -> dict[tuple[str, str], list[Strip]]:
    """(data set, split) -> the first `most` episodes with the answers of all `cells`, which share the metric `name`.

    After them comes, for each cell that kept it, the episode that it failed most, with its answer alone. Pictures are
    read beside the first seed's scores; they are of the largest number of shots. A cell without any adds nothing.
    """
    failures: dict[tuple[str, str], list[Strip]] = {}
    groups: dict[tuple[str, str], dict[str, Strip]] = {}
    for cell in sorted(cells, key=lambda cell: (natural(cell.dataset), cell.split, cell.system, cell.shots)):
        archive = Path(cell.files[0]).with_suffix(".npz")
        if not archive.is_file() or len(cell.files) > len(cell.scores) or cell.shots != _most_shots(cell):
            continue
        single = tallies(cell, metric)[0].single()
        with np.load(archive) as arrays:
            group = groups.setdefault((cell.dataset, cell.split), {})
            kept = _episodes(arrays.files)
            first = [episode for episode in kept if int(episode) < most]
            for episode in first:
                strip = group.setdefault(episode, _shared(arrays, episode))
                _answer(strip, cell, arrays, episode, _score(name, single, episode))
            worst = min(kept, key=lambda episode: single.get(int(episode), np.inf), default="")
            if f"{worst}/mask0" in arrays.files and worst not in first:
                strip = _shared(arrays, worst)
                strip.failure = True
                _answer(strip, cell, arrays, worst, _score(name, single, worst))
                failures.setdefault((cell.dataset, cell.split), []).append(strip)
    return {
        place: [*(group[episode] for episode in sorted(group, key=int)), *failures.get(place, [])]
        for place, group in groups.items()
    }


def at_levels(plot: Levels, cells: Sequence[Cell]) -> list[tuple[str, Strip]]:
    """(data set, its first episode without answers) by level, from the pictures beside any of the cells' scores."""
    found: dict[str, Strip] = {}
    for cell in cells:
        archive = Path(cell.files[0]).with_suffix(".npz")
        asked = (cell.track, cell.split) == (plot.track, plot.split) and re.fullmatch(plot.x, cell.dataset)
        if asked and cell.dataset not in found and archive.is_file():
            with np.load(archive) as arrays:
                for episode in _episodes(arrays.files)[:1]:
                    found[cell.dataset] = _shared(arrays, episode)
    return sorted(found.items(), key=lambda item: natural(item[0]))


def paint(mask: Pixels) -> Pixels:
    """Index mask (H, W) -> picture (H, W, 3): a colour an object, black background, grey void."""
    lut = np.zeros((256, 3), dtype=np.uint8)
    lut[1:255] = np.resize(np.array(OBJECTS, dtype=np.uint8), (254, 3))
    lut[255] = VOID
    picture: Pixels = lut[mask]
    return picture


def blend(probabilities: Pixels) -> Pixels:
    """Probabilities (O, H, W), 255 for 1 -> picture (H, W, 3): the likeliest object's colour, bright where sure."""
    best = probabilities.argmax(axis=0).astype(np.uint8)
    sure = probabilities.max(axis=0).astype(np.uint16)[..., None]
    picture: Pixels = (paint(best + 1) * sure // 255).astype(np.uint8)
    return picture


def tint(picture: Pixels, mask: Pixels) -> Pixels:
    """The picture (H, W, 3) dark outside the objects of the index mask (H, W)."""
    inside = ((mask > 0) & (mask < 255))[..., None]
    dark: Pixels = np.where(inside, picture, picture // 3)
    return dark


def uri(picture: Pixels, *, photo: bool = False) -> str:
    """The picture in a `data:` address: a PNG, or a JPEG where a large `photo` had to be made smaller."""
    data, image = io.BytesIO(), Image.fromarray(picture)
    large = max(image.size) > LARGE
    if large:
        share = SHOWN / max(image.size)
        image = image.resize(
            (max(1, round(image.width * share)), max(1, round(image.height * share))), Image.Resampling.BOX
        )
    kind = "jpeg" if large and photo else "png"
    image.save(data, kind.upper(), **({"quality": 80} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


def _most_shots(cell: Cell) -> int:
    return int(max(read_result(cell.files[0]).header.recipe.get("shots", [cell.shots])))


def _score(metric: str, single: Mapping[int, float], episode: str) -> str:
    value = single.get(int(episode), np.nan)
    return "" if np.isnan(value) else f"{metric_title(metric)} {value:.2f}"  # a few metrics say nothing of one episode


def _episodes(names: Sequence[str]) -> list[str]:
    return sorted({name.split("/")[0] for name in names if name.endswith("/query0")}, key=int)


def _shared(arrays: Any, episode: str) -> Strip:
    names = sorted((name for name in arrays.files if name.startswith(f"{episode}/support")), key=natural)
    supports = [_support(arrays, name) for name in names]
    query = uri(arrays[f"{episode}/query0"], photo=True)
    return Strip(supports, query, uri(paint(arrays[f"{episode}/truth0"])))


def _support(arrays: Any, name: str) -> str:
    mask = name.replace("/support", "/mask")
    return uri(tint(arrays[name], arrays[mask]) if mask in arrays.files else arrays[name], photo=True)


def _answer(strip: Strip, cell: Cell, arrays: Any, episode: str, score: str) -> None:
    if f"{episode}/prediction0" in arrays.files:
        strip.answers[label(cell)] = uri(blend(arrays[f"{episode}/prediction0"])), score
