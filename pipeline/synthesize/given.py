"""The pairs of a data set: the first support of every episode, with its objects."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from pipeline.collate import Collation
from pipeline.episodes import EpisodeStore
from pipeline.errors import UserError
from pipeline.pairs import Pair, checked, key_of


def read_pairs(manifest: Path, count: int) -> Iterator[tuple[str, Pair | UserError]]:
    """Name and pair of the first `count` episodes of a split, or why a pair is none; each name once."""
    store = EpisodeStore(manifest.with_suffix(".zarr"))
    collation = Collation(store.attributes, torch.device("cpu"))
    if collation.table is None:
        raise UserError(f"{manifest} does not draw from a gallery, so its pairs have no names: choose another split")
    rows = store.read(0, min(count, store.length))
    seen: set[str] = set()
    for number in range(len(rows["classes"])):
        one = {name: array[number : number + 1] for name, array in rows.items()}
        frame = collation.table.batch(one).supports.frames[0]
        classes = one["classes"][0]
        name = key_of(frame.ids[0], classes[classes != 0])
        if name in seen:
            continue
        seen.add(name)
        image, mask = frame.images[0].permute(1, 2, 0).numpy(), frame.masks
        if mask is None:
            raise UserError(f"{manifest} has no masks: choose another split")
        try:
            yield name, checked(name, np.ascontiguousarray(image), mask[0].numpy())
        except UserError as error:
            yield name, error
