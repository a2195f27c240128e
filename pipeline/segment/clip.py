"""A user's clip: a folder of pictures in the order of their names, or one file that moves (GIF, WebP, PNG)."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from torch import Tensor

from pipeline.errors import UserError
from pipeline.report.row import natural
from pipeline.segment.picture import as_rgb, open_picture, read_picture

MOVING = ("GIF", "WEBP", "PNG")
"""Formats whose further pictures are the next in time; those of a camera's JPEG are others of the same moment."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def is_clip(path: Path) -> bool:
    """Whether there is more than one picture in a folder or a file; `UserError` where there is none."""
    if path.is_dir():
        return True
    open_picture(path)  # names what is missing or no picture
    with Image.open(path) as image:
        return image.format in MOVING and getattr(image, "n_frames", 1) > 1


def read_clip(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and picture (3, H, W) uint8 of every frame, one in memory at a time.

    `UserError` for a folder without pictures, for a frame that cannot be read and for one of another size.
    """
    size = None
    for name, picture in _folder(path) if path.is_dir() else _file(path):
        size = size or picture.shape
        if picture.shape != size:
            sizes = (f"{shape[2]}x{shape[1]}" for shape in (picture.shape, size))
            raise UserError(
                "the frame {} of {} has {} pixels, the first {}: give them one size".format(name, path, *sizes)
            )
        yield name, picture


def _folder(path: Path) -> Iterator[tuple[str, Tensor]]:
    found = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
    if not found:
        raise UserError(f"the folder {path} holds no pictures ({', '.join(SUFFIXES)}): give one with a clip's frames")
    for file in sorted(found, key=lambda file: natural(file.name)):
        yield file.stem, read_picture(file)


def _file(path: Path) -> Iterator[tuple[str, Tensor]]:
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            try:
                image.seek(number)
                picture = as_rgb(image.copy())
            except (OSError, ValueError, SyntaxError) as error:
                reason = " ".join(str(error).split())
                raise UserError(f"frame {number} of {path} cannot be read ({reason}): save the clip anew") from None
            yield f"{number:05d}", picture
