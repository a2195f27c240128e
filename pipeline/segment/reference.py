"""What the user points at, as a support: a box is cut out and is all object, a mask marks it in its whole picture."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.segment.picture import open_picture, resized
from pipeline.segmenter import Frame


class Box(NamedTuple):
    """A rectangle in pixels from the left and the top."""

    left: int
    top: int
    width: int
    height: int


def parse_box(text: str) -> Box:
    """The box written `X,Y,WIDTH,HEIGHT`; `UserError` for anything else."""
    try:
        left, top, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"the box '{text}' is not X,Y,WIDTH,HEIGHT in whole pixels, as in 120,40,64,64") from None
    return Box(left, top, width, height)


def from_box(picture: Tensor, box: Box, factor: float, *, shows: bool) -> Frame:
    """The part of the picture (3, H, W) in the box, scaled by `factor`: all object, or all background.

    `UserError` where the box does not lie in the picture.
    """
    height, width = picture.shape[-2:]
    inside = box.left >= 0 and box.top >= 0 and box.left + box.width <= width and box.top + box.height <= height
    if not inside or min(box.width, box.height) < 1:
        where = ",".join(map(str, box))
        raise UserError(
            f"the box {where} does not lie in its image of {width}x{height} pixels: correct X,Y,WIDTH,HEIGHT"
        )
    part = resized(picture[:, box.top : box.top + box.height, box.left : box.left + box.width], factor)
    mask = torch.full((1, *part.shape[-2:]), int(shows), dtype=torch.uint8)
    return Frame(part[None], mask, (f"{'box' if shows else 'background'}/{box}",))


def from_mask(picture: Tensor, path: Path, factor: float) -> Frame:
    """The picture (3, H, W), scaled by `factor`, with the mask in a file: object where it is not black.

    `UserError` where the mask has another size or marks nothing.
    """
    image = open_picture(path)
    if image.mode in ("LA", "RGBA", "PA"):
        image = image.convert("RGBA")
        image.paste((0, 0, 0, 0), mask=image.getchannel("A").point(lambda alpha: 255 * (alpha == 0)))
        image = image.convert("RGB")
    pixels = np.asarray(image)  # a palette's indices, where it has one
    marked = torch.from_numpy((pixels > 0).any(-1) if pixels.ndim == 3 else pixels > 0)
    if marked.shape != picture.shape[-2:]:
        sizes = (f"{size[1]}x{size[0]}" for size in (marked.shape, picture.shape[-2:]))
        raise UserError("the mask {} has {} pixels, its image {}: give them one size".format(path, *sizes))
    if not bool(marked.any()):
        raise UserError(f"the mask {path} is black everywhere: paint white what is to be found")
    small = resized(marked[None].float(), factor)
    mask = (small >= min(0.5, float(small.max()))).to(torch.uint8)  # what is thin must not get lost
    return Frame(resized(picture, factor)[None], mask, (f"mask/{path}",))
