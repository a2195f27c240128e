"""`.npy`: a file an array, in the layout of the released cluttered Omniglot, which can be memory-mapped."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UserError
from pipeline.export.split import ExportedSplit
from pipeline.manifest import write_json


def write_npy(folder: Path, split: ExportedSplit, about: dict[str, Any]) -> None:
    """Make `folder` with `<array>.npy` for each array, and `export.json`; `UserError` where the disk is too small.

    Blocks are appended, not written through a memory map, where a disk that fills up would kill the process.
    """
    folder.mkdir()
    needed, free = split.length * sum(field.bytes for field in split.fields.values()), shutil.disk_usage(folder).free
    if needed > free:
        message = f"the export takes {needed:,} bytes, but its disk has {free:,} left"
        raise UserError(f"{message}: free some space, choose another --output, or fewer --episodes")
    with ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.npy").open("wb")) for name in split.fields}
        for name, field in split.fields.items():
            header = {
                "descr": np.lib.format.dtype_to_descr(field.dtype),
                "fortran_order": False,
                "shape": (split.length, *field.shape),
            }
            np.lib.format.write_array_header_1_0(files[name], header)
        for _, block in split.blocks():
            for name, array in block.items():
                files[name].write(array.data)
    write_json(folder / "export.json", about)
