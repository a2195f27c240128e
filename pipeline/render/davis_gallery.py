"""DAVIS as one gallery: every frame of the listed sequences, with the index mask of its objects.

In 2016 all objects are one; in 2017 each has its number. A frame without annotation has a mask of void: it is shown,
and never scored. So have all frames but the first of a sequence in a list `*_first_frame_only`: other masks of it, in
a subset of 2017 that was laid over 2016, are those of 2016. Of a sequence that several sources hold, the one with the
most frames counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.episodes import ArraySpec
from pipeline.errors import UserError
from pipeline.gallery import Picture
from pipeline.render.davis import SUFFIXES, video_folder
from pipeline.segmenter import VOID

YEARS = (2016, 2017)
MISSING = ("skip", "fail")
_FIRST = "_first_frame_only"


class _Frame(NamedTuple):
    sequence: int
    image: Path
    mask: Path | None
    """None where the frame is not annotated."""


@dataclass(frozen=True)
class DavisGallery:
    """The frames, one sequence after the other."""

    sequences: Sequence[str]
    frames: Sequence[_Frame]
    merged: bool
    facts: Mapping[str, int]
    columns: Mapping[str, ArraySpec]

    @property
    def names(self) -> Sequence[str]:
        """`dog/00000`."""
        return [f"{self.sequences[frame.sequence]}/{frame.image.stem}" for frame in self.frames]

    def picture(self, index: int) -> Picture:
        """Frame `index`: the number of its sequence, its own, its objects, whether it is annotated, and `pixels`.

        These are counted of each number of an object and of background, 0; not of void.
        """
        sequence, image, path = self.frames[index]
        mask = _read_mask(path, self.merged) if path else np.full(_size(image), VOID, np.uint8)
        most = mask[mask != VOID].max(initial=0)
        numbers = {"sequence": sequence, "number": int(image.stem), "labelled": path is not None, "objects": most}
        columns = {name: np.array(value) for name, value in numbers.items()}
        columns["pixels"] = np.bincount(mask.ravel(), minlength=VOID + 1)[:VOID]
        return Picture(image.read_bytes(), _png(mask), columns)


def gallery(*, sources: Mapping[str, Path], year: int, list: str = "val", missing: str = "skip") -> DavisGallery:
    """Every frame of the sequences of ImageSets/`year`/`list`.txt that any of `sources` holds, folders of archives.

    Those of `list`_first_frame_only.txt join them, without masks after the first.
    `missing`: whether a listed sequence that is nowhere is left out (`skip`) or an error (`fail`).
    """
    if year not in YEARS:
        raise UserError(f"year={year}: DAVIS has masks of {' and '.join(map(str, YEARS))}")
    if missing not in MISSING:
        raise UserError(f"missing={missing}: a sequence that is not there is left out (skip), or an error (fail)")
    folders = [video_folder(source) for source in sources.values()]
    whole, first = ({n for folder in folders for n in _listed(folder, year, name)} for name in (list, list + _FIRST))
    listed = sorted(whole | first)
    if not listed:
        raise UserError(f"no list ImageSets/{year}/{list}.txt in {', '.join(map(str, folders))}: get DAVIS again")
    found = {name: max((_frames(folder, name, name in first) for folder in folders), key=len) for name in listed}
    absent = [name for name, frames in found.items() if not frames]
    if missing == "fail" and absent:
        raise UserError(f"the sequence '{absent[0]}' of the list {list} is not there: get DAVIS again, or missing=skip")
    there = [name for name in listed if found[name]]
    if not there:
        raise UserError(f"no sequence of ImageSets/{year}/{list}.txt is there: get DAVIS again")
    frames = [_Frame(number, *paths) for number, name in enumerate(there) for paths in found[name]]
    facts = {"sequences": len(there), "missing": len(absent)}
    columns = {name: ArraySpec((), "int32") for name in ("sequence", "number", "labelled", "objects")}
    columns["pixels"] = ArraySpec((VOID,), "int32")
    return DavisGallery(there, frames, year == 2016, facts, columns)


def _listed(folder: Path, year: int, name: str) -> list[str]:
    """Names of a list: of sequences, or of frames and masks, as the archive of 2016 has them."""
    paths = [folder / "ImageSets" / kind / f"{name}.txt" for kind in (str(year), "480p")]
    path = next((path for path in paths if path.is_file()), None)
    lines = path.read_text().split() if path else []
    return [line.strip("/").split("/")[2] if "/" in line else line for line in lines]


def _frames(folder: Path, name: str, first_only: bool) -> list[tuple[Path, Path | None]]:
    place = folder / "JPEGImages" / "480p" / name
    images = sorted(path for path in place.glob("*") if path.suffix in SUFFIXES)
    masks = [folder / "Annotations" / "480p" / name / f"{image.stem}.png" for image in images]
    kept = [mask if mask.is_file() and not (first_only and number) else None for number, mask in enumerate(masks)]
    return list(zip(images, kept, strict=True))


def _read_mask(path: Path, merged: bool) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as opened:
            found = np.array(opened)
    except (OSError, SyntaxError, UnidentifiedImageError):
        raise UserError(f"{path} is no picture: get the source again") from None
    if found.ndim == 3:
        if not merged:
            raise UserError(f"{path} has colours instead of numbers of objects: get DAVIS 2017 again")
        found = found.max(-1)
    return (found > 0).astype(np.uint8) if merged else found.astype(np.uint8)


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as opened:
        return opened.height, opened.width


def _png(mask: NDArray[np.uint8]) -> bytes:
    data = BytesIO()
    Image.fromarray(mask).save(data, "PNG", compress_level=0)  # the store compresses, with the same bytes anywhere
    return data.getvalue()
