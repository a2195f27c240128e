"""What an episode is on disk: fixed-size arrays in sharded Zarr, one row an episode, masks as packed bits or as labels.

A store has `support_images` (N, K, h, w, 3), `support_masks`, `query_images` (N, Q, H, W, 3), `query_masks`, all
uint8, and the attributes `objects` (O) and, for n-way choices, `ways` (supports that make one shot). A binary mask
(O = 1, no void) is packed, 8 pixels a byte in row-major order, most significant bit first; any other mask is stored as
it is. Shards are read whole, not row by row.
Where a scene is made of regions, and the object is one of them, a store has in place of `query_masks` the label map
`query_labels` (N, Q, H, W) uint8, which region each pixel shows (1, 2, ...; 0 is a background that is none), and
`query_targets` (N, Q) uint8, the label of the object. Masks are derived from them by `with_masks`, when episodes are
batched or exported.
A store of oracle data has an array a field instead, (N, Q, ...) where the field belongs to a query.

zarr is imported where a store is opened: describing and packing episodes works without it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError

if TYPE_CHECKING:
    import zarr

# Zarr leaves out a shard that holds the fill value alone, even where it is told not to, and `read` takes what is not
# there for lost. Shards of zeros (masks without an object) are common; of most arrays, none holds this number alone.
_FILL = 165

Arrays = dict[str, NDArray[Any]]
"""Arrays of one block of episodes by name; the first axis counts episodes."""


@dataclass(frozen=True)
class ArraySpec:
    """One array of a store: the shape and dtype of a single episode's entry."""

    shape: tuple[int, ...]
    dtype: str = "uint8"
    fill: int = _FILL
    """A number that no shard holds alone."""


@dataclass(frozen=True)
class Layout:
    """What a store holds, before a byte of it is written."""

    arrays: Mapping[str, ArraySpec]
    attributes: Mapping[str, Any]
    shard: int
    """Episodes a shard; a multiple of `chunk`."""
    chunk: int = 100
    """Episodes an inner chunk."""


def pack_masks(masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Binary masks (..., H, W) -> bits (..., ceil(H*W/8)), most significant bit first."""
    return np.packbits(masks.reshape(*masks.shape[:-2], -1) != 0, axis=-1)


def unpack_masks(bits: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The inverse of `pack_masks`: (..., ceil(H*W/8)) -> (..., H, W) of 0 and 1."""
    masks = np.unpackbits(bits, axis=-1, count=height * width)
    return masks.reshape(*bits.shape[:-1], height, width)


def with_masks(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """`arrays` of some episodes, whose label maps, where they have any, became binary `query_masks` (N, Q, H, W)."""
    rest = dict(arrays)
    if "query_labels" not in rest:
        return rest
    labels, targets = rest.pop("query_labels"), rest.pop("query_targets")
    return {**rest, "query_masks": (labels == targets[..., None, None]).view(np.uint8)}


def create_store(path: Path, layout: Layout, length: int) -> "zarr.Group":
    """Create the store at `path` for `length` episodes; where it is there already, open it for writing."""
    import zarr
    from zarr.codecs import BloscCodec

    group = zarr.open_group(path, mode="a", zarr_format=3)
    group.attrs.update(
        {**layout.attributes, "arrays": sorted(layout.arrays), "episodes": length, "shard": layout.shard}
    )
    for name, spec in layout.arrays.items():
        # Neighbouring pixels of drawings repeat whole bytes; shuffling their bits makes stores up to 4 times as large.
        shuffle: Literal["shuffle", "noshuffle"] = "shuffle" if np.dtype(spec.dtype).itemsize > 1 else "noshuffle"
        if name not in group:
            group.create_array(
                name,
                shape=(length, *spec.shape),
                dtype=spec.dtype,
                chunks=(layout.chunk, *spec.shape),
                shards=(layout.shard, *spec.shape),
                compressors=BloscCodec(cname="zstd", clevel=1, shuffle=shuffle),
                fill_value=spec.fill,
            )
    return group


def shard_file(array: "zarr.Array[Any]", path: Path, index: int) -> Path:
    """Where shard `index` of the store's array lies; arrays are sharded along the first axis alone."""
    return path.joinpath(array.basename, "c", str(index), *["0"] * (array.ndim - 1))


class EpisodeStore:
    """Reading access to a rendered split; opened inside the worker that reads it, never before a fork."""

    def __init__(self, path: Path) -> None:
        """Open the store at `path`; `UserError` where it is missing or damaged."""
        import zarr

        self.path = path
        try:
            group = zarr.open_group(path, mode="r")
            self.attributes: dict[str, Any] = dict(group.attrs)
            self.length = int(self.attributes["episodes"])
            self.shard = int(self.attributes["shard"])
            missing = [name for name in self.attributes["arrays"] if name not in group]
            if missing:
                raise ValueError(f"no {', '.join(missing)}")
            # By name: listing the group would warn of the timestamp that Snakemake leaves in folders.
            self._arrays: dict[str, zarr.Array[Any]] = {name: group[name] for name in self.attributes["arrays"]}  # type: ignore[misc]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise UserError(
                f"the store {path} is missing or cut short ({error}): delete it and run snakemake"
            ) from None

    @property
    def shards(self) -> int:
        """Number of shards, the last of which may be short."""
        return -(-self.length // self.shard)

    def read(self, start: int, stop: int, names: Collection[str] | None = None) -> Arrays:
        """Episodes [start, stop) of the arrays `names` (or all), as stored; `UserError` where the store is cut short.

        Zarr takes a shard that is not there for one of the fill value, so that each is asked for by name here.
        """
        wanted = {name: array for name, array in self._arrays.items() if names is None or name in names}
        for array in wanted.values():
            for index in range(start // self.shard, -(-stop // self.shard)):
                shard = shard_file(array, self.path, index)
                if not shard.is_file():
                    raise UserError(f"the store {self.path} is cut short (no {shard}): delete it and run snakemake")
        try:
            return {name: array[start:stop] for name, array in wanted.items()}  # type: ignore[misc]
        except (OSError, RuntimeError, ValueError) as error:
            message = f"the store {self.path} is damaged in episodes {start} to {stop} ({error})"
            raise UserError(f"{message}: delete it and run snakemake") from None

    def read_shard(self, index: int) -> Arrays:
        """All episodes of shard `index`."""
        return self.read(index * self.shard, min((index + 1) * self.shard, self.length))
