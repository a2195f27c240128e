"""Image-mask pairs: one that was given, and those that a synthesizer made of it, as `synthesize` stores them.

A store has a group a pair, `0`, `1`, ...: `images` (n, H, W, 3) and `masks` (n, H, W) uint8, index masks with
0 background and 1..O objects, and `kept` (m,), positions of those that the filter kept, ascending. Its attributes are
a `PairFacts`. A pair whose fitting failed has a group without arrays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.job import Facts, parse

Pixels = NDArray[np.uint8]
MOST = 254
"""Objects that an index mask can hold: 0 is background, 255 void."""


class PairFacts(Facts):
    """What is known of one pair beside its samples."""

    name: str
    """Of the given image and of what is an object in it (`key_of`)."""
    objects: int
    size: tuple[int, int]
    """Height and width of the samples."""
    masks: bool = True
    """Whether the synthesizer makes masks at all."""
    status: Literal["ok", "failed"] = "ok"
    reason: str = ""
    """Why it failed, in one line."""
    remarks: list[str] = []
    """What a user should know of it: a size that was clamped, for example."""


@dataclass(frozen=True)
class Pair:
    """One given image with its mask."""

    name: str
    image: Pixels
    """(H, W, 3)."""
    mask: Pixels
    """(H, W): 0 background, 1..O objects, each there."""

    @property
    def objects(self) -> int:
        """O."""
        return int(self.mask.max())


@dataclass(frozen=True)
class Samples:
    """Pairs that were made of one."""

    facts: PairFacts
    images: Pixels
    """(n, H, W, 3)."""
    masks: Pixels
    """(n, H, W)."""
    kept: NDArray[np.int64]
    """(m,) positions of those that the filter kept, ascending."""


def key_of(name: str, classes: NDArray[Any] | list[int]) -> str:
    """Name of a pair: that of its image, and which values of the mask are its objects (`davis17/dog/00000#1`).

    In whichever frame the image is seen (`name@417`), it is the same pair.
    """
    return f"{name.partition('@')[0]}#{'-'.join(str(int(value)) for value in classes)}"


def checked(name: str, image: Pixels, mask: Pixels) -> Pair:
    """The pair, if a synthesizer can be fitted to it; void (255) becomes background.

    `UserError` where sizes differ, nothing is an object, ids have gaps or there are too many.
    """
    if image.shape[:2] != mask.shape:
        sizes = f"{image.shape[1]}x{image.shape[0]} and {mask.shape[1]}x{mask.shape[0]} pixels"
        raise UserError(f"image and mask of {name} differ in size ({sizes}): give a mask of the image's size")
    clean = np.where(mask == 255, 0, mask).astype(np.uint8)
    ids = np.unique(clean[clean > 0])
    if not len(ids):
        raise UserError(f"the mask of {name} is all background: mark an object with the value 1")
    if ids[-1] != len(ids):
        missing = min(set(range(1, int(ids[-1]))) - set(ids.tolist()))
        gap = f"{ids[-1]} is there, but {missing} is not"
        raise UserError(f"the mask of {name} has a gap in its ids ({gap}): number the objects from 1")
    return Pair(name, image, clean)


class PairWriter:
    """Writes a store pair by pair."""

    def __init__(self, path: Path) -> None:
        """Begin a new store at `path`."""
        import zarr

        self._root, self._count = zarr.create_group(path, zarr_format=3, overwrite=True), 0

    def add(self, samples: Samples) -> None:
        """Append one pair's samples."""
        from zarr.codecs import BloscCodec

        group = self._root.create_group(str(self._count), attributes=samples.facts.model_dump(mode="json"))
        self._count += 1
        if samples.facts.status == "failed":
            return
        for name, array in (("images", samples.images), ("masks", samples.masks)):
            codec = BloscCodec(cname="zstd", clevel=1, shuffle="noshuffle")
            group.create_array(name, data=array, chunks=(1, *array.shape[1:]), shards=array.shape, compressors=codec)
        group.create_array("kept", data=samples.kept, chunks=(max(1, len(samples.kept)),))


class PairStore:
    """Reading access to a store of pairs."""

    def __init__(self, path: Path) -> None:
        """Open the store at `path`; `UserError` where it is missing or damaged."""
        import zarr

        self._path = path
        try:
            self._root = zarr.open_group(path, mode="r")
            numbers = sorted(int(found.parent.name) for found in path.glob("*/zarr.json"))
            self.facts = [
                parse(PairFacts, dict(self._root[str(number)].attrs), f"{path}, pair {number}") for number in numbers
            ]
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"the pairs {path} are missing or damaged ({error}): delete them and run snakemake"
            ) from None
        self._places = {facts.name: number for number, facts in zip(numbers, self.facts, strict=True)}

    def find(self, name: str) -> Samples:
        """The samples of the pair `name`; `UserError` where the store holds those of other pairs only."""
        if name not in self._places:
            raise UserError(f"{self._path} holds no pairs made of {name}: they are of other episodes; run snakemake")
        return self._read(self._places[name])

    def __iter__(self) -> Iterator[Samples]:
        """All pairs in order, failed ones too, whose arrays are empty."""
        return (self._read(number) for number in sorted(self._places.values()))

    def _read(self, number: int) -> Samples:
        group: Any = self._root[str(number)]
        facts = next(each for each in self.facts if self._places[each.name] == number)
        if facts.status == "failed":
            height, width = facts.size
            empty = np.empty((0, height, width), np.uint8)
            return Samples(facts, np.empty((0, height, width, 3), np.uint8), empty, np.empty(0, np.int64))
        try:
            return Samples(facts, group["images"][:], group["masks"][:], group["kept"][:])
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise UserError(f"the pairs {self._path} are damaged ({error}): delete them and run snakemake") from None
