"""Folders in DAVIS's layout: `<sequence>/00000.png`, `00001.png`, ..., a label map a frame, as truth and as results."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.errors import UserError, nearest
from pipeline.evaluate.davis.png import decode
from pipeline.export.place import whole
from pipeline.export.png import palette

Labels = NDArray[np.uint8]
Year = Literal["2016", "2017"]
"""2016: one object, masks are 0 and 255, or all ids of 2017 together; 2017: an id an object, 255 is void."""
_WHERE = ("DAVIS/Annotations/480p", "Annotations/480p", ".")


@dataclass(frozen=True)
class Truth:
    """The annotations of a data set."""

    root: Path
    """The folder that holds a folder a sequence."""
    sequences: tuple[str, ...]
    """Those to be scored."""

    def frames(self, sequence: str) -> list[Path]:
        """The sequence's masks in order."""
        return sorted((self.root / sequence).glob("*.png"))


def open_truth(folder: Path, year: Year, wanted: Iterable[str] = ()) -> Truth:
    """The sequences `wanted`, or the official validation list cut to what is there, or all where there is no list.

    `folder` is DAVIS's own, the one above it, or one of sequences. `UserError` where it, or a sequence, is not there.
    """
    root = find_root(folder, "--truth")
    there = sorted(path.name for path in root.iterdir() if path.is_dir() and any(path.glob("*.png")))
    if not there:
        raise UserError(f"--truth {folder} holds no sequence: name a folder with <sequence>/00000.png, or DAVIS's own")
    for name in wanted:
        if name not in there:
            raise UserError(f"unknown sequence '{name}'; {nearest(name, there)}")
    listed = tuple(wanted) or _validation(root.parent.parent / "ImageSets", year)
    return Truth(root, tuple(name for name in listed if name in there) or tuple(there))


def find_root(folder: Path, option: str) -> Path:
    """The folder below `folder` that holds the sequences; `UserError` where there is none."""
    if not folder.is_dir():
        raise UserError(f"{option} {folder} is no folder: name one with <sequence>/00000.png, 00001.png, ...")
    return next(folder / place for place in _WHERE if (folder / place).is_dir())


def read_labels(path: Path) -> Labels:
    """A label map (H, W), ids as they are in the file; `UserError` where it is no picture of one channel."""
    try:
        if (pixels := decode(path.read_bytes())) is not None:
            return pixels
        with Image.open(path) as image:
            if image.mode in ("P", "L", "1"):
                return np.asarray(image, dtype=np.uint8)
            mode = image.mode
    except (OSError, SyntaxError, UnidentifiedImageError):
        raise UserError(f"{path} is no picture: write it again") from None
    raise UserError(f"{path} is a picture of mode {mode}: save ids with a palette, or as 8-bit grey")


def write_sequence(folder: Path, sequence: str, frames: Iterable[Labels], *, first: int = 0) -> int:
    """Write label maps (H, W) as `folder/sequence/00000.png` and on, from number `first`, with DAVIS's palette.

    How many were written. It is whole or not there; `UserError` where it is there already.
    """
    colours, count = palette(), 0  # those of VOC
    with whole(folder / sequence) as beside:
        beside.mkdir()
        for count, labels in enumerate(frames, 1):
            image = Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint8))
            image.putpalette(colours)
            memory = io.BytesIO()  # Pillow alone might not say that a disk is full
            image.save(memory, "PNG")
            (beside / f"{first + count - 1:05}.png").write_bytes(memory.getvalue())
    return count


def _validation(lists: Path, year: Year) -> tuple[str, ...]:
    """Names in `<year>/val.txt`, or in the list of frames that the archive of 2016 has in its place."""
    if (lists / year / "val.txt").is_file():
        return tuple((lists / year / "val.txt").read_text().split())
    if year == "2016" and (lists / "480p" / "val.txt").is_file():
        lines = (lists / "480p" / "val.txt").read_text().splitlines()
        return tuple(dict.fromkeys(Path(line.split()[0]).parent.name for line in lines if line.strip()))
    return ()
