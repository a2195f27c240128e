"""HDF5: one file a split, compressed by what every HDF5 library has."""

import os
from pathlib import Path
from typing import Any

import h5py

from pipeline.export.split import ExportedSplit

CHUNK = 1 << 18
"""Bytes of a chunk, uncompressed: several fit a reader's default cache of 1 MiB, so that reading at random is quick."""


def write_hdf5(path: Path, split: ExportedSplit, about: dict[str, Any]) -> None:
    """Write the file `path`: a data set an array, and `about` as the file's attributes."""
    # Without a cache a full disk shows where a block is written, and not at the end.
    with h5py.File(path, "w", rdcc_nbytes=0) as file:
        try:
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
            file.flush()
        except BaseException:
            # Closing writes, too. Where that fails the library crashes at the end of the process, so make room for it.
            os.truncate(path, 0)
            raise
