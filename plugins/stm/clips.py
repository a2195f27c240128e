"""Clips to train on: three crops made of one image, or three frames of a video (arXiv 1904.00607, 3.3)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.segmenter import BACKGROUND, VOID

LENGTH = 3
ZOOM = (1.0, 1.4)
"""The shorter side of a frame in crops, before it is cropped."""
DEGREES, SCALE, SHEAR, SHIFT = 20.0, 0.15, 10.0, 0.1
"""Largest rotation, change of size, shear in degrees and shift in crops, of each frame made of a single image."""
COLOUR = 0.2
"""Largest change of brightness, contrast and saturation of such a frame."""


def made(image: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """A clip of one image (3, H, W) and its index mask (H, W): frames (3, 3, side, side) and masks (3, side, side).

    Each frame is warped and coloured by itself. All draws are of the global generator.
    """
    images, masks = image.expand(LENGTH, -1, -1, -1), mask.expand(LENGTH, -1, -1)
    frames, labels = cropped(images, masks, side, warped=True)
    return coloured(frames), labels


def cropped(images: Tensor, masks: Tensor, side: int, *, warped: bool = False) -> tuple[Tensor, Tensor]:
    """Frames (T, 3, H, W) uint8, masks (T, H, W) uint8 -> squares of `side` around a place of the first one's object.

    Images (T, 3, side, side) float of 0 to 255. All are mirrored or none; with `warped` each has a warp of its own,
    and black, background, where it looks beyond the image.
    """
    images, masks = _zoomed(images, masks, side)
    height, width = masks.shape[-2:]
    places = torch.nonzero((masks[0] != BACKGROUND) & (masks[0] != VOID))
    chance, mirror = torch.rand(2).tolist()
    spot = places[int(chance * len(places))].tolist() if len(places) else [height / 2, width / 2]
    y, x = (min(max(p, side / 2), n - side / 2) for p, n in zip(spot, (height, width), strict=True))
    frames = range(len(images))
    warps = torch.stack([_warp() if warped else torch.eye(2, 3) for _ in frames])
    if mirror < 0.5:
        warps[:, :, 0] *= -1
    grid = _grid(warps, side, (x, y), (width, height)).to(images.device)
    seen = F.grid_sample(images, grid, "bilinear", "zeros", align_corners=False)
    labels = F.grid_sample(masks.float().unsqueeze(1), grid, "nearest", "zeros", align_corners=False)
    return seen, labels[:, 0].to(torch.uint8)


def coloured(images: Tensor) -> Tensor:
    """Images (T, 3, H, W) of 0 to 255, each of another brightness, contrast and saturation."""
    factors = 1 + COLOUR * (2 * torch.rand(3, len(images), 1, 1, 1) - 1)
    brightness, contrast, saturation = factors.to(images.device)
    images = images * brightness
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * contrast
    grey = images.mean(1, keepdim=True)
    changed: Tensor = grey + (images - grey) * saturation
    return changed.clamp(0, 255)


def _zoomed(images: Tensor, masks: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The shorter side becomes `side` times a draw of `ZOOM`."""
    height, width = masks.shape[-2:]
    zoom = side * (ZOOM[0] + (ZOOM[1] - ZOOM[0]) * float(torch.rand(()))) / min(height, width)
    size = (max(side, round(height * zoom)), max(side, round(width * zoom)))
    larger = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
    return larger, F.interpolate(masks.unsqueeze(1), size, mode="nearest-exact")[:, 0]


def _warp() -> Tensor:
    """(2, 3): from a place of the crop, -1 to 1, to its place around the centre, in the same unit."""
    turn, size, shear, right, down = (2 * torch.rand(5) - 1).tolist()
    angle, slant, scale = math.radians(DEGREES * turn), math.tan(math.radians(SHEAR * shear)), 1 + SCALE * size
    cosine, sine = math.cos(angle) * scale, math.sin(angle) * scale
    return torch.tensor(
        [
            [cosine, cosine * slant - sine, 2 * SHIFT * right],
            [sine, sine * slant + cosine, 2 * SHIFT * down],
        ]
    )


def _grid(warps: Tensor, side: int, centre: tuple[float, float], size: tuple[int, int]) -> Tensor:
    """(T, side, side, 2) places in a frame of `size` (width, height), -1 to 1; `centre` (x, y) in pixels."""
    offsets = F.affine_grid(warps, [len(warps), 1, side, side], align_corners=False) * side / 2
    return (offsets + torch.tensor(centre)) * 2 / torch.tensor(size) - 1
