"""Standard 5-way one-shot Omniglot: tell which of five characters a new drawing shows.

Each episode has five supports, drawings of five different characters of the evaluation set, and one query: another
drawer's drawing of one of them. Support k's ink is object k + 1, the query's ink is the object it shows.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays, ArraySpec, Layout
from pipeline.errors import UserError, nearest
from pipeline.render.omniglot import SIDE, Glyphs, read_omniglot
from pipeline.seeds import generator

WAYS = 5
_DRAWERS = range(20)


class FiveWay:
    """Renderer of 5-way episodes; episode i is one function of i."""

    length = 10_000
    layout = Layout(
        arrays={
            "support_images": ArraySpec((WAYS, SIDE, SIDE, 3)),
            "support_masks": ArraySpec((WAYS, SIDE, SIDE)),
            "query_images": ArraySpec((1, SIDE, SIDE, 3)),
            "query_masks": ArraySpec((1, SIDE, SIDE)),
        },
        attributes={"objects": WAYS, "ways": WAYS},
        shard=250,
        chunk=50,
    )

    def __init__(self, glyphs: Glyphs) -> None:
        """Choose among `glyphs` (C, 20, 105, 105), C at least 5."""
        self.facts: Mapping[str, int] = {"characters": glyphs.shape[0], "drawings": glyphs.shape[0] * glyphs.shape[1]}
        self._glyphs = glyphs

    def shard(self, index: int, count: int) -> Arrays:
        """The first `count` episodes of shard `index`: white ink on black, masks as index masks."""
        first = index * self.layout.shard
        arrays = {name: np.empty((count, *spec.shape), spec.dtype) for name, spec in self.layout.arrays.items()}
        for row in range(count):
            classes, drawers, answer, drawer = choose(first + row, self._glyphs.shape[0])
            supports, query = self._glyphs[classes, drawers], self._glyphs[classes[answer], drawer]
            arrays["support_images"][row] = 255 * supports[..., None]
            arrays["support_masks"][row] = supports * np.arange(1, WAYS + 1, dtype=np.uint8)[:, None, None]
            arrays["query_images"][row] = 255 * query[..., None]
            arrays["query_masks"][row] = query * (answer + 1)
        return arrays


def choose(episode: int, characters: int) -> tuple[NDArray[np.intp], NDArray[np.intp], int, int]:
    """Classes (5,) and drawers (5,) of an episode's supports, which of them the query shows, and the query's drawer."""
    # Uniform doubles alone: other methods of a NumPy generator may change with its version.
    draws = generator(0, "episodes", "omniglot_5way", "test", episode).random(characters + WAYS + 2)
    classes = np.argsort(draws[:characters], kind="stable")[:WAYS]
    drawers = (draws[characters : characters + WAYS] * len(_DRAWERS)).astype(np.intp)
    answer = int(draws[-2] * WAYS)
    other = int(draws[-1] * (len(_DRAWERS) - 1))
    return classes, drawers, answer, other + int(other >= drawers[answer])


def renderer(*, split: str, sources: Mapping[str, Path]) -> FiveWay:
    """Renderer of the split `test`; `sources["omniglot"]` holds the official archives or folders."""
    if split != "test":
        raise UserError(f"5-way Omniglot has no split '{split}'; {nearest(split, ['test'])}")
    if "omniglot" not in sources:
        raise UserError("the renderer 'omniglot_5way' needs the source 'omniglot': add it in suite.yaml")
    part = read_omniglot(sources["omniglot"], "evaluation")
    if part.size < WAYS:
        raise UserError(f"{sources['omniglot']} has {part.size} evaluation characters; 5-way episodes need {WAYS}")
    return FiveWay(part.read(slice(None), _DRAWERS))
