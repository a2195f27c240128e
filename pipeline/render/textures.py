"""The textures of one split, read from a bank: bytes in memory, or mapped from a temporary file where they are many."""

import mmap
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import EpisodeStore
from pipeline.errors import UserError, nearest
from pipeline.render.held_out import split_rows

IN_MEMORY = 512 << 20
"""Bytes of textures up to which they are kept in memory; more lie in an unlinked file in the folder of TMPDIR."""
_BLOCK = 10  # a texture that is looked at may bring a megabyte into memory with it
SPLITS = ("train", "test")


class Textures:
    """Textures of side `side` as `pixels` (T, side, 3 * side) uint8: red, green, blue, red, ... along a row."""

    def __init__(self, pixels: NDArray[np.uint8], mapped: mmap.mmap | None = None) -> None:
        """Hold `pixels`, which lie in `mapped` where that is given."""
        self.pixels = pixels
        self._mapped = mapped

    @property
    def count(self) -> int:
        """How many."""
        return int(self.pixels.shape[0])

    @property
    def side(self) -> int:
        """Pixels of a texture's side."""
        return int(self.pixels.shape[1])

    def blocks(self, count: int) -> Iterator[slice]:
        """Slices of `count` episodes to render one after the other; a mapped bank is released after each."""
        step = count if self._mapped is None else _BLOCK
        for start in range(0, count, step):
            yield slice(start, min(start + step, count))
            self.release()

    def release(self) -> None:
        """Give back the memory of a mapped bank; what is looked at again comes from the page cache."""
        if self._mapped is not None:
            self._mapped.madvise(mmap.MADV_DONTNEED)


def read_textures(bank: Path, split: str) -> Textures:
    """The textures of `split` (`train` or `test`) in the bank at `bank`.

    The bank is a store with `textures` (T, S, S, 3) and the attributes `names` and `side`. `UserError` for another
    split, and where the bank is missing or damaged.
    """
    if split not in SPLITS:
        raise UserError(f"textures have no split '{split}'; {nearest(split, SPLITS)}")
    store = EpisodeStore(bank)
    names, side = store.attributes.get("names", []), store.attributes.get("side", 0)
    if not len(names) == store.length > 0 or side <= 0:
        message = f"the bank {bank} is damaged ({len(names)} names of {store.length} textures of {side} pixels)"
        raise UserError(f"{message}: delete it and run snakemake")
    rows = split_rows(names, split)
    if not rows:
        raise UserError(f"the bank {bank} has no textures for the split '{split}': get more of them")
    textures = _room(len(rows), side)
    _fill(textures, store, rows)
    return textures


def _fill(textures: Textures, store: EpisodeStore, rows: Sequence[int]) -> None:
    # A shard at a time: the bank as a whole is never in memory.
    places: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row // store.shard, []).append(place)
    for shard, within in places.items():
        block = store.read(shard * store.shard, min((shard + 1) * store.shard, store.length), ["textures"])["textures"]
        for place in within:
            textures.pixels[place] = block[rows[place] - shard * store.shard].reshape(textures.pixels.shape[1:])
        textures.release()


def _room(count: int, side: int) -> Textures:
    shape = (count, side, 3 * side)
    size = count * side * side * 3
    if size <= IN_MEMORY:
        return Textures(np.empty(shape, np.uint8))
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        mapped = mmap.mmap(file.fileno(), size)
    return Textures(np.frombuffer(mapped, np.uint8).reshape(shape), mapped)
