"""Frames at the size at which the network sees them."""

import torch
import torch.nn.functional as F
from torch import Tensor


def size_of(height: int, width: int, longer: int | None) -> tuple[int, int]:
    """The same shape with `longer` pixels on its longer side; None leaves it as it is."""
    if longer is None:
        return height, width
    scale = longer / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resized(images: Tensor, masks: Tensor, longer: int | None) -> tuple[Tensor, Tensor]:
    """Images (B, 3, H, W) uint8 and masks (B, H, W) of any kind at `size_of` them: bilinear and nearest."""
    height, width = masks.shape[-2:]
    return fitted(images, masks, size_of(height, width, longer))


def fitted(images: Tensor, masks: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Images and masks at `size`; as they are where they have it."""
    if tuple(masks.shape[-2:]) == size:
        return images, masks
    return image_at(images, size), F.interpolate(masks[:, None].float(), size, mode="nearest")[:, 0].to(masks.dtype)


def image_at(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images alone."""
    if tuple(images.shape[-2:]) == size:
        return images
    return F.interpolate(images.float(), size, mode="bilinear", antialias=True).round().clamp(0, 255).to(torch.uint8)
