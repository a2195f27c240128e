"""A rendered split as it is exported: names, shapes and kinds of its arrays, block by block.

Where an episode has one support and one query, the arrays are those that the authors of cluttered Omniglot published:
`images` (N, H, W, 3), `segmentation` (N, H, W, 1) of 0 and 1 (or an index mask), `targets` (N, h, w, 3), all uint8.
Added to them are `target_segmentation` (N, h, w, 1) and `centres` (N, 2), and where the store labels regions `labels`
(N, H, W, 1) and `target_label` (N,). Other episodes, and oracle data, keep the names and shapes of their store; packed
masks are unpacked everywhere, and those of labels derived.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays, EpisodeStore, unpack_masks, with_masks
from pipeline.errors import UserError

Kind = Literal["colour", "binary", "indices", "numbers", "table"]
"""A picture, a mask of 0 and 1, an index mask, a map of any other numbers, or a few numbers an episode."""

_AUTHORS = {
    "query_images": "images",
    "query_masks": "segmentation",
    "support_images": "targets",
    "support_masks": "target_segmentation",
}
_REGIONS = {"query_labels": "labels", "query_targets": "target_label"}
_MASKS = {"query_masks", "support_masks", "segmentation", "target_segmentation"}
_LABELS = {"query_labels", "labels"}


@dataclass(frozen=True)
class Field:
    """One exported array: shape and dtype of a single episode's entry, and what it shows."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    kind: Kind

    @property
    def bytes(self) -> int:
        """Bytes of one episode, uncompressed."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class ExportedSplit:
    """The first `length` episodes of a store, a shard in memory at a time."""

    def __init__(
        self, store: EpisodeStore, episodes: int | None, report: Callable[[int], None] = lambda done: None
    ) -> None:
        """Take all episodes, or the first `episodes`; `UserError` where the store has fewer, or none are asked for.

        `report` is told how many are done.
        """
        self.length = store.length if episodes is None else episodes
        if not 1 <= self.length <= store.length:
            raise UserError(f"--episodes {episodes} is out of range: ask for 1 to {store.length}, all of {store.path}")
        self._store, self._report = store, report
        first = store.read(0, 1)
        binary = all(first[name].ndim == 3 for name in _MASKS & first.keys())  # packed: no void, one object
        self.fields = {
            name: Field(array.shape[1:], array.dtype, _kind(name, array, binary))
            for name, array in exported(first).items()
        }

    def blocks(self) -> Iterator[tuple[int, Arrays]]:
        """Every block in order: number of its first episode, and its arrays, contiguous and by name."""
        for start in range(0, self.length, self._store.shard):
            stop = min(start + self._store.shard, self.length)
            arrays = exported(self._store.read(start, stop))
            yield start, {name: np.ascontiguousarray(array) for name, array in arrays.items()}
            self._report(stop)


def exported(arrays: Arrays) -> Arrays:
    """Arrays of some episodes as a store has them -> as they are exported (see the module)."""
    found = dict(arrays) | with_masks(arrays)
    if not _AUTHORS.keys() <= found.keys():
        return found
    for side in ("support", "query"):
        masks, (height, width) = found[f"{side}_masks"], found[f"{side}_images"].shape[2:4]
        found[f"{side}_masks"] = unpack_masks(masks, height, width) if masks.ndim == 3 else masks
    if any(found[name].shape[1] != 1 for name in _AUTHORS):
        return found
    single = {new: found.pop(old)[:, 0] for old, new in (_AUTHORS | _REGIONS).items() if old in found}
    single["centres"] = centres(single["segmentation"])
    masks_with_channel = {name: single[name][..., None] for name in (_MASKS | _LABELS) & single.keys()}
    return {**single, **masks_with_channel, **found}


def centres(masks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Centre of mass (N, 2) of the object pixels of masks (N, H, W): x, y from the middle of the top left pixel.

    All objects of an index mask count alike, void (255) does not. NaN where there is no object.
    """
    objects = (masks != 0) & (masks != 255)
    mass = objects.sum((1, 2))
    sums = np.stack([objects.sum(axis) @ np.arange(masks.shape[3 - axis]) for axis in (1, 2)], axis=-1)
    with np.errstate(invalid="ignore"):
        found: NDArray[np.float32] = (sums / mass[:, None]).astype(np.float32)
    return found


def _kind(name: str, array: NDArray[Any], binary: bool) -> Kind:
    if array.ndim < 4 or array.dtype not in (np.uint8, np.uint16):
        return "table"
    if name in _MASKS | _LABELS:
        return "binary" if binary and name in _MASKS else "indices"
    return "colour" if array.shape[-1] == 3 else "numbers"
