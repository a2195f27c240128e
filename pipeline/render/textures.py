"""The textures of one split, read from a bank: bytes in memory, or mapped from a temporary file where they are many."""

import mmap
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError, nearest
from pipeline.render.held_out import split_rows

IN_MEMORY = 512 << 20
"""Bytes of textures up to which they are kept in memory; more lie in an unlinked file in the folder of TMPDIR."""
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

    def release(self) -> None:
        """Give back the memory of a mapped bank; what is looked at again comes from the page cache."""
        if self._mapped is not None:
            self._mapped.madvise(mmap.MADV_DONTNEED)


def read_textures(bank: Path, split: str) -> Textures:
    """The textures of `split` (`train` or `test`) in the bank at `bank`.

    The bank is a Zarr group with `textures` (T, S, S, 3) and the attribute `names`. `UserError` for another split, and
    where the bank is missing or damaged.
    """
    if split not in SPLITS:
        raise UserError(f"textures have no split '{split}'; {nearest(split, SPLITS)}")
    import zarr

    try:
        group = zarr.open_group(bank, mode="r")
        stored: Any = group["textures"]
        rows = split_rows(_names(group.attrs["names"], stored.shape[0]), split)
        size = stored.shape[1]
        if stored.shape[1:] != (size, size, 3) or stored.dtype != np.uint8:
            raise ValueError(f"textures are {stored.dtype} {stored.shape}")
        pixels, mapped = _room(len(rows), size)
        _fill(pixels, stored, rows)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise UserError(f"the bank {bank} is missing or damaged ({error}): delete it and run snakemake") from None
    return Textures(pixels, mapped)


def _names(found: Any, count: int) -> list[str]:
    if len(found) != count:
        raise ValueError(f"{len(found)} names of {count} textures")
    return [str(name) for name in found]


def _room(count: int, side: int) -> tuple[NDArray[np.uint8], mmap.mmap | None]:
    shape = (count, side, 3 * side)
    size = count * side * side * 3
    if size <= IN_MEMORY:
        return np.empty(shape, np.uint8), None
    with tempfile.TemporaryFile() as file:
        file.truncate(size)
        mapped = mmap.mmap(file.fileno(), size)
    return np.frombuffer(mapped, np.uint8).reshape(shape), mapped


def _fill(pixels: NDArray[np.uint8], stored: Any, rows: Sequence[int]) -> None:
    # Whole chunks, one at a time: the bank itself is never in memory.
    step = stored.chunks[0]
    wanted: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        wanted.setdefault(row // step, []).append(place)
    for chunk, places in wanted.items():
        block = stored[chunk * step : (chunk + 1) * step]
        for place in places:
            pixels[place] = block[rows[place] - chunk * step].reshape(pixels.shape[1:])
