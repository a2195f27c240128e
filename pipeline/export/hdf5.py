"""HDF5: one file a split, compressed by what every HDF5 library has."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from pipeline.export.split import ExportedSplit

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CHUNK = 1 << 18
"""Bytes of a chunk, uncompressed: several fit a reader's default cache of 1 MiB, so that reading at random is quick."""


def write_hdf5(path: Path, split: ExportedSplit, about: dict[str, Any]) -> None:
    """Write the file `path`: a data set an array, and `about` as the file's attributes."""
    with _Sink(path, "w+") as sink:
        # Without a cache a full disk shows after the block that filled it.
        with h5py.File(sink, "w", rdcc_nbytes=0) as file:
            file.attrs.update(about)
            for name, field in split.fields.items():
                rows = max(1, min(split.length, CHUNK // field.bytes))
                file.create_dataset(
                    name,
                    shape=(split.length, *field.shape),
                    dtype=field.dtype,
                    chunks=(rows, *field.shape),
                    compression="gzip",
                    compression_opts=1,
                )
            for start, block in split.blocks():
                for name, array in block.items():
                    file[name][start : start + len(array)] = array
                    sink.check()
        sink.check()


class _Sink(io.FileIO):
    """A file whose writing seems to succeed, whatever happens, until `check` is called.

    A write that fails while the HDF5 library closes a file, which writes too, crashes the process at its end.
    """

    _failure: BaseException | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of `data`, or nothing more once something has failed."""
        view = memoryview(data).cast("B")
        size = len(view)
        try:
            while view and self._failure is None:
                view = view[super().write(view) :]
        except BaseException as error:  # an interrupt, too
            self._failure = error
        return size

    def check(self) -> None:
        """Raise what has failed so far."""
        if self._failure is not None:
            raise self._failure
