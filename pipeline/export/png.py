"""PNG: a folder an array, a file an episode (or several: one for each of its supports or queries), and tables as TSV.

A binary mask shows 0 as black and 1 as white (255). An index mask has a palette, and the indices themselves (0, 1..O,
255 void) as its pixels, as PASCAL VOC has them. Maps of larger numbers have 16 bits a pixel.
"""

import io
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.export.split import ExportedSplit, Field, Kind
from pipeline.manifest import write_json


def write_png(folder: Path, split: ExportedSplit, about: dict[str, Any]) -> None:
    """Make `folder` with `<array>/000000.png`, `000001.png`, ... (`000000-0.png`, ... where an episode has several)."""
    folder.mkdir()
    width = max(6, len(str(split.length - 1)))
    with ExitStack() as stack:
        tables: dict[str, IO[str]] = {}
        for name, field in split.fields.items():
            if field.kind == "table":
                tables[name] = stack.enter_context((folder / f"{name}.tsv").open("w"))
                tables[name].write("\t".join(["episode", *_columns(name, field)]) + "\n")
            else:
                (folder / name).mkdir()
        for start, block in split.blocks():
            for name, array in block.items():
                for episode, entry in enumerate(array, start):
                    if name in tables:
                        tables[name].write("\t".join(map(str, [episode, *np.ravel(entry)])) + "\n")
                    else:
                        _save(folder / name / f"{episode:0{width}}", entry, split.fields[name].kind)
    write_json(folder / "export.json", about)


def palette() -> bytes:
    """Colours (256 x 3 bytes) of PASCAL VOC's index masks: an index's bits go in turn to red, green and blue."""
    index = np.arange(256)
    rgb = [sum((index >> (3 * k + c) & 1) << (7 - k) for k in range(3)) for c in range(3)]
    return np.stack(rgb, axis=-1).astype(np.uint8).tobytes()


_PALETTE = palette()


def _save(stem: Path, entry: NDArray[Any], kind: Kind) -> None:
    """Write one episode's pictures, (H, W, 3), (H, W, 1), (n, H, W, 3) or (n, H, W)."""
    if kind == "colour":
        pictures = entry.reshape(-1, *entry.shape[-3:])
    else:
        flat = entry[None, ..., 0] if entry.shape[-1] == 1 else entry
        pictures = flat.reshape(-1, *flat.shape[-2:])
    for number, picture in enumerate(pictures):
        memory = io.BytesIO()  # Pillow alone might not say that a disk is full
        _image(picture, kind).save(memory, "PNG")
        suffix = f"-{number}.png" if len(pictures) > 1 else ".png"
        stem.with_name(stem.name + suffix).write_bytes(memory.getvalue())


def _image(picture: NDArray[Any], kind: Kind) -> Image.Image:
    image = Image.fromarray(picture * np.uint8(255) if kind == "binary" else picture)
    if kind == "indices":
        image.putpalette(_PALETTE)
    return image


def _columns(name: str, field: Field) -> list[str]:
    if name == "centres":
        return ["x", "y"]
    return [".".join(map(str, index)) or name for index in np.ndindex(field.shape)]
