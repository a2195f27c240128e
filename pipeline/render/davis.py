"""DAVIS's official layout: `JPEGImages/480p/<sequence>/00000.jpg` and `Annotations/480p/<sequence>/00000.png`."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.errors import UserError, nearest

SUFFIXES = (".jpg", ".png")
"""Of frames; the built-in sample has PNGs."""
_FOLDERS = ("DAVIS", ".")


@dataclass(frozen=True)
class Sequence:
    """One video."""

    name: str
    frames: tuple[Path, ...]
    """In order."""
    masks: tuple[Path, ...]
    """One a frame."""


def video_folder(source: Path) -> Path:
    """Where `JPEGImages` and `Annotations` lie below the source's folder."""
    return next((source / folder for folder in _FOLDERS if (source / folder / "JPEGImages").is_dir()), source)


def find_sequence(source: Path, name: str) -> Sequence:
    """The sequence `name` below the source's folder; `UserError` where it, a mask or all but one frame is missing."""
    root = video_folder(source)
    place = root / "JPEGImages" / "480p" / name
    if not place.is_dir():
        there = sorted(path.name for path in place.parent.glob("*/"))
        raise UserError(f"{source} has no sequence '{name}'; {nearest(name, there)}, or get a mirror that holds it")
    frames = tuple(sorted(path for path in place.iterdir() if path.suffix in SUFFIXES))
    masks = tuple(root / "Annotations" / "480p" / name / f"{frame.stem}.png" for frame in frames)
    lacking = [mask for mask in masks if not mask.is_file()]
    if lacking or len(frames) < 2:
        lost = f"no {lacking[0]}" if lacking else f"{len(frames)} frames, where 2 are the least"
        raise UserError(f"the sequence '{name}' of {source} is not whole ({lost}): get the source again")
    return Sequence(name, frames, masks)


def read_frame(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A frame (H, W, 3), scaled to `size` (width, height) where that is given (bilinear, over what a pixel covers)."""
    image = _open(path).convert("RGB")
    return np.asarray(image if size is None else image.resize(size, Image.Resampling.BILINEAR))


def read_object(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """The mask (H, W) of all objects together, 0 and 1; a scaled pixel is of the object where half of it is."""
    index = np.asarray(_open(path))
    pixels = index.any(-1) if index.ndim == 3 else index > 0
    mask = Image.fromarray(pixels.astype(np.uint8) * 255)
    scaled = mask if size is None else mask.resize(size, Image.Resampling.BOX)
    return (np.asarray(scaled) >= 128).astype(np.uint8)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.copy()
    except (OSError, SyntaxError, UnidentifiedImageError):
        raise UserError(f"{path} is no picture: get the source again") from None
