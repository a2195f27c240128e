"""What choosing episodes needs to know of the VOC gallery: names, lists, and how much of each class an image shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.gallery import GalleryStore
from pipeline.render.items import Item
from pipeline.render.voc import LISTS
from pipeline.render.voc_lists import official


@dataclass(frozen=True)
class VocView:
    """The columns of a gallery of N images."""

    gallery: Path
    names: Sequence[str]
    pixels: NDArray[np.int32]
    """(N, 21) of each class."""
    cells: NDArray[np.int32]
    """(N, 21) grid points on each class (`grid_points`)."""
    lists: NDArray[np.bool_]
    """(N, 3): of `voc.LISTS`."""

    def on(self, name: str) -> NDArray[np.bool_]:
        """(N,) whether an image is of the list `name`: train, val or noval."""
        return self.lists[:, LISTS.index(name)]

    @property
    def published(self) -> bool:
        """Whether the images of val are VOC's own, all or a part of them, and not a sample's."""
        return bool(self.on("val").any()) and set(self._named(self.on("val"))) <= official("v")

    def items(self, shown: NDArray[np.bool_], classes: Iterable[int]) -> tuple[Item, ...]:
        """Pairs of image and class where `shown` (N, 21) holds, of `classes` alone, by image, then class."""
        wanted = np.zeros_like(shown)
        wanted[:, list(classes)] = True
        return tuple(Item(self.names[i], cls) for i, cls in np.argwhere(shown & wanted).tolist())

    def _named(self, rows: NDArray[np.bool_]) -> list[str]:
        return [self.names[i] for i in np.flatnonzero(rows).tolist()]


def read_view(gallery: Path) -> VocView:
    """The columns of the store at `gallery`; `UserError` for one of another data set."""
    store = GalleryStore(gallery)
    lacking = {"pixels", "cells", "lists"} - set(store.columns)
    if lacking:
        raise UserError(f"the gallery {gallery} counts no {', '.join(sorted(lacking))}: render it by the gallery 'voc'")
    columns = store.columns
    return VocView(gallery, store.names, columns["pixels"], columns["cells"], columns["lists"].astype(np.bool_))
