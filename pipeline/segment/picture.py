"""A user's pictures: read in any format, resized, shown with a mask over them."""

import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from pipeline.errors import UserError

_COLOUR = (255, 60, 0)
_STRENGTH = 0.5


def open_picture(path: Path) -> Image.Image:
    """The picture in a file, upright as its camera says; `UserError` where there is none that can be read."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise UserError(f"{path} is missing: check the path of the picture") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).replace(str(path), path.name).split())
        raise UserError(f"{path} is no picture that can be read ({reason}): save it anew as PNG or JPEG") from None


def read_picture(path: Path) -> Tensor:
    """(3, H, W) uint8 of the picture in a file, as `as_rgb` has it; `UserError` where there is none."""
    return as_rgb(open_picture(path))


def as_rgb(image: Image.Image) -> Tensor:
    """(3, H, W) uint8; what is transparent shows white, 16-bit pictures lose their lower half."""
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        image = Image.fromarray(grey)
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)


def scale_for(image: Tensor, side: int) -> float:
    """The factor that makes the longer side of (C, H, W) at most `side` pixels; 0 is no limit."""
    if side < 0:
        raise UserError(f"--side {side} must be positive, or 0 for the image as it is")
    return min(1.0, side / max(image.shape[-2:])) if side else 1.0


def resized(image: Tensor, factor: float = 1.0, size: tuple[int, ...] | None = None) -> Tensor:
    """(C, H, W), uint8 or float, scaled bilinearly by `factor`, or to `size`; smoothed where it shrinks."""
    new = size or tuple(max(1, round(length * factor)) for length in image.shape[-2:])
    if tuple(image.shape[-2:]) == tuple(new):
        return image
    scaled = F.interpolate(image[None].float(), list(new), mode="bilinear", antialias=True)[0]
    return scaled.round().clamp(0, 255).to(torch.uint8) if image.dtype == torch.uint8 else scaled


def overlay(image: Tensor, found: Tensor) -> Tensor:
    """The image (3, H, W) uint8 with `found` (H, W) bool in orange."""
    colour = torch.tensor(_COLOUR, dtype=torch.float32)[:, None, None]
    mixed = (1 - _STRENGTH) * image.float() + _STRENGTH * colour
    return torch.where(found, mixed.round().to(torch.uint8), image)


def as_png(pixels: Tensor) -> bytes:
    """(H, W) or (3, H, W) uint8 as a PNG file's bytes."""
    array = pixels.permute(1, 2, 0).numpy() if pixels.dim() == 3 else pixels.numpy()
    memory = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(memory, "PNG")
    return memory.getvalue()
