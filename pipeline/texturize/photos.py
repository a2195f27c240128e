"""Photos as textures: every format that Pillow reads becomes RGB where that is possible; what is not is named.

A texture is the photo's centre square of side S; a photo whose short side is below S is first enlarged (bilinear).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UserError
from pipeline.texturize.job import BankJob
from pipeline.texturize.shelf import Made, Photo, Shelf

SUFFIXES = (".jpg", ".jpeg", ".png")
FOLDERS = ("dtd/images", "images", ".")
"""Where the folders of categories may lie: as the official archive unpacks, as its subsets do, or right there."""
_KINDS = {"1": "black and white", "L": "grey", "P": "paletted", "CMYK": "CMYK", "YCbCr": "YCbCr", "LAB": "Lab"}


class UnreadableError(Exception):
    """A photo that cannot become a texture; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """What making a bank came to."""

    attributes: dict[str, Any]
    """Of the store, beside `names` and `side`."""
    device: str


def fill(job: BankJob, shelf: Shelf, threads: int, _gpu: int) -> Outcome:
    """Put the photos themselves on the shelf."""
    each(shelf, threads, lambda photo: _as_made(*load(photo.path, job.side)))
    return Outcome(attributes={}, device=f"cpu ({threads} threads)")


def each(shelf: Shelf, threads: int, make: Callable[[Photo], Made]) -> None:
    """Make the missing textures, `threads` at a time; what cannot be read is left out."""

    def one(index: int) -> None:
        try:
            shelf.put(index, make(shelf.photos[index]))
        except UnreadableError as error:
            shelf.leave_out(index, str(error))

    pool = ThreadPoolExecutor(max(1, threads))
    try:
        for future in [pool.submit(one, index) for index in shelf.todo]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def find_photos(source: Path) -> list[Photo]:
    """All photos below a source's folder, `<category>/<name>.jpg`, by name; `UserError` where there is none."""
    for folder in (source / name for name in FOLDERS):
        found = [p for p in folder.glob("*/*") if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
        if found:
            return sorted((Photo(f"{p.parent.name}/{p.name}", p) for p in found), key=lambda photo: photo.name)
    raise UserError(f"{source} holds no photos (images/<category>/<name>.jpg): get the source again")


def load(path: Path, side: int) -> tuple[NDArray[np.uint8], str]:
    """The texture of a photo (side, side, 3), and what it was where it was no plain RGB; `UnreadableError`."""
    try:
        with Image.open(path) as image:
            picture, was = _rgb(image)
            return np.asarray(_centre(picture, side)), was
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # A name of the file inside the message would be a path of this machine.
        raise UnreadableError(" ".join(str(error).replace(str(path), path.name).split())) from None


def _rgb(image: Image.Image) -> tuple[Image.Image, str]:
    """Any picture as RGB. Transparent ones are shown on white, 16-bit ones lose their lower half."""
    image.load()
    if image.mode == "RGB" and "transparency" not in image.info:
        return image, ""
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB"), "16 bits"
    if image.mode == "F":
        raise ValueError("floating-point pixels have no range")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB"), "transparent"
    return image.convert("RGB"), _KINDS.get(image.mode, image.mode)


def _centre(image: Image.Image, side: int) -> Image.Image:
    short = min(image.size)
    if short < side:
        width, height = (max(side, round(length * side / short)) for length in image.size)
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = ((length - side) // 2 for length in image.size)
    return image.crop((left, top, left + side, top + side))


def _as_made(pixels: NDArray[np.uint8], converted: str) -> Made:
    return Made(pixels, converted)
