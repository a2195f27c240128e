"""A gallery: the images of a data set with their index masks, each stored once and as it was encoded.

Where images recur (PASCAL-5i, COCO-20i, DAVIS), episodes are tables of positions in a gallery (`pipeline.table`). A
store has `image_bytes` and `mask_bytes`, all files one after the other, `image_ends` and `mask_ends` (N,), where each
ends, and a row an image of whatever else its renderer counted; its attribute `names` lists the images.
"""

import io
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.episodes import Arrays, ArraySpec
from pipeline.errors import UserError

_CHUNK, _SHARD = 1 << 20, 1 << 26
"""Bytes that are read together, and bytes of a file."""


@dataclass(frozen=True)
class Picture:
    """One image of a gallery, encoded."""

    image: bytes
    """A JPEG or PNG, as it was found."""
    mask: bytes
    """A PNG of one channel: values are classes or objects, 0 background, 255 void."""
    columns: Arrays = field(default_factory=dict)
    """Small arrays of integers: one row of each of the gallery's columns."""


class GalleryRenderer(Protocol):
    """What `gallery(*, sources, **parameters)` of a module below `pipeline.render` returns."""

    names: Sequence[str]
    """Of its images, in order; each once."""
    facts: Mapping[str, int]
    """Counts worth a place in the manifest."""
    columns: Mapping[str, ArraySpec]
    """What is counted of each image."""

    def picture(self, index: int) -> Picture:
        """Image `index`; `UserError` where it or its mask is damaged."""


def write_gallery(path: Path, gallery: GalleryRenderer) -> None:
    """Write the store at `path`, a few megabytes in memory at a time."""
    import zarr
    from zarr.codecs import BloscCodec

    group = zarr.create_group(path, zarr_format=3, overwrite=True, attributes={"names": list(gallery.names)})
    files = {name: _Files(group, f"{name}_bytes") for name in ("image", "mask")}
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in gallery.columns}
    for index in range(len(gallery.names)):
        picture = gallery.picture(index)
        files["image"].append(picture.image)
        files["mask"].append(picture.mask)
        for name, values in columns.items():
            values.append(np.asarray(picture.columns[name]))
    numbers = {f"{name}_ends": np.array(file.finish(), np.int64) for name, file in files.items()}
    numbers |= {name: np.stack(rows).astype(gallery.columns[name].dtype) for name, rows in columns.items()}
    for name, array in numbers.items():
        codec = BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")
        group.create_array(name, data=array, chunks=array.shape, compressors=codec)


class _Files:
    """Bytes of many files in one array, which grows shard by shard."""

    def __init__(self, group: Any, name: str) -> None:
        self._array = group.create_array(name, shape=(0,), dtype="uint8", chunks=(_CHUNK,), shards=(_SHARD,))
        self._ends: list[int] = []
        self._waiting, self._size = bytearray(), 0

    def append(self, data: bytes) -> None:
        self._size += len(data)
        self._ends.append(self._size)
        self._waiting += data
        while len(self._waiting) >= _SHARD:
            self._write(bytes(self._waiting[:_SHARD]))
            del self._waiting[:_SHARD]

    def finish(self) -> list[int]:
        self._write(bytes(self._waiting))
        return self._ends

    def _write(self, data: bytes) -> None:
        start = self._array.shape[0]
        self._array.resize((start + len(data),))
        self._array[start:] = np.frombuffer(data, np.uint8)


class GalleryStore:
    """Reading access to a gallery; decoded images are kept, up to a bound. Safe to use from several threads."""

    def __init__(self, path: Path, *, limit: int = 0) -> None:
        """Open the store at `path`; at most `limit` bytes of decoded images stay. `UserError` where it is damaged."""
        import zarr

        self.path, self._limit, self._bytes = path, limit, 0
        self._kept: OrderedDict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]] = OrderedDict()
        self._lock = threading.Lock()
        try:
            group = zarr.open_group(path, mode="r")
            self.names: list[str] = list(group.attrs["names"])  # type: ignore[arg-type]
            arrays: dict[str, Any] = {file.parent.name: group[file.parent.name] for file in path.glob("*/zarr.json")}
            self._files = {name: arrays.pop(f"{name}_bytes") for name in ("image", "mask")}
            self._ends: Arrays = {name: arrays.pop(f"{name}_ends")[:] for name in ("image", "mask")}
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise self._damaged(error) from None
        self.columns: Arrays = {name: array[:] for name, array in arrays.items()}
        """What was counted of the images, one row each."""

    def picture(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image (H, W, 3), RGB, and mask (H, W) of one size, both read-only; grey is repeated to three channels.

        `UserError` where they are damaged or differ in size.
        """
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
        image, mask = self._decode("image", index, "RGB"), self._decode("mask", index, None)
        if image.shape[:2] != mask.shape:
            sizes = f"{image.shape[1]}x{image.shape[0]} and {mask.shape[-1]}x{mask.shape[0]}"
            raise UserError(f"image and mask of '{self.names[index]}' in {self.path} differ in size: {sizes} pixels")
        self._keep(index, image, mask)
        return image, mask

    def _keep(self, index: int, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        with self._lock:
            if index not in self._kept and image.nbytes + mask.nbytes <= self._limit:
                self._kept[index] = image, mask
                self._bytes += image.nbytes + mask.nbytes
                while self._bytes > self._limit:
                    self._bytes -= sum(array.nbytes for array in self._kept.popitem(last=False)[1])

    def _decode(self, kind: str, index: int, mode: str | None) -> NDArray[np.uint8]:
        ends = self._ends[kind]
        start = int(ends[index - 1]) if index else 0
        try:
            data = self._files[kind][start : int(ends[index])]
            with Image.open(io.BytesIO(np.asarray(data).tobytes())) as opened:
                array = np.array(opened if mode is None else opened.convert(mode), np.uint8)
        except (OSError, RuntimeError, ValueError, UnidentifiedImageError) as error:
            raise self._damaged(error) from None
        array.flags.writeable = False
        return array

    def _damaged(self, error: Exception) -> UserError:
        return UserError(f"the gallery {self.path} is missing or damaged ({error}): delete it and run snakemake")
