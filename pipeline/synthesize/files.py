"""A user's own pair: an image and a mask in files of any common format."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError
from pipeline.pairs import MOST, Pair, checked
from pipeline.segment.picture import open_picture, read_picture

Values = Literal["auto", "binary", "index"]
VALUES: tuple[Values, ...] = ("auto", "binary", "index")
LARGEST_INDEX = 30
"""In mode `auto`, a grey mask with a value above this is binary: nobody numbers so many objects (OSMIS, spec 2.5)."""


def read_pair(image: Path, mask: Path, values: Values = "auto") -> Pair:
    """The pair in two files; errors as in `checked`, and for a mask in colours or with too many ids.

    `values`: whether the mask's pixels are numbers of objects (`index`), or all above half the largest are one object
    (`binary`); `auto` takes palettes and small numbers for indices.
    """
    pixels = read_picture(image).permute(1, 2, 0).numpy()
    return checked(image.stem, np.ascontiguousarray(pixels), read_mask(mask, values))


def find_pairs(folder: Path) -> dict[str, tuple[Path | None, Path | None]]:
    """Name -> image and mask below `folder`/images and `folder`/masks, either of which may be missing."""
    halves = {kind: {path.stem: path for path in sorted((folder / kind).glob("*.*"))} for kind in ("images", "masks")}
    names = sorted({*halves["images"], *halves["masks"]})
    if not names:
        raise UserError(
            f"{folder} holds no pairs: put pictures into {folder}/images and their masks into {folder}/masks"
        )
    return {name: (halves["images"].get(name), halves["masks"].get(name)) for name in names}


def both(folder: Path, name: str, image: Path | None, mask: Path | None) -> tuple[Path, Path]:
    """Image and mask of a pair; `UserError` where one half is missing."""
    if image is None or mask is None:
        lost, there = ("images", mask) if image is None else ("masks", image)
        raise UserError(f"one half of the pair '{name}' is missing: put it into {folder}/{lost}, or take {there} away")
    return image, mask


def read_mask(path: Path, values: Values = "auto") -> NDArray[np.uint8]:
    """Index mask (H, W): 0 background, 1..O objects, 255 void."""
    picture = open_picture(path)
    found = np.asarray(picture if picture.mode in ("P", "L", "1", "I", "I;16") else _grey(path, picture))
    found = found.astype(np.int64)
    ids = np.unique(found[found != 255])
    largest = int(ids.max(initial=0))
    if values == "binary" or (values == "auto" and picture.mode != "P" and (largest > LARGEST_INDEX or 255 in found)):
        binary: NDArray[np.uint8] = (found > found.max() / 2).astype(np.uint8)
        return binary
    if largest > MOST:
        raise UserError(f"the mask {path} has the id {largest}, but a mask holds {MOST} objects: number them from 1")
    return found.astype(np.uint8)


def _grey(path: Path, picture: Image.Image) -> Image.Image:
    """Colours that are all grey, as one channel."""
    channels = np.asarray(picture.convert("RGB"))
    if (channels != channels[..., :1]).any():
        raise UserError(f"the mask {path} has colours: save it with a palette, or as grey with numbers of objects")
    return Image.fromarray(np.ascontiguousarray(channels[..., 0]))
