"""What the two branches see: normalized pictures, and supports at one size with all but the object masked."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.vgg import normalized
from pipeline.segmenter import VOID, Frame

Preparation = Literal["torchvision", "caffe"]
"""Each goes with the weights that were trained on it, and with no others."""
SupportInput = Literal["masked", "rgbm4"]
VoidRule = Literal["background", "ignore", "foreground"]
_MEAN = (0.4810938, 0.45752459, 0.40787055)
"""Of Caffe's RGB values in [0, 1]."""


def prepared(images: Tensor, preparation: Preparation) -> Tensor:
    """RGB images (B, 3, H, W) in [0, 255] -> float32 pictures, channels last; a pixel of mean colour is 0.

    `torchvision`: RGB in units of ImageNet's deviation. `caffe`: BGR from -123 to 151.
    """
    if preparation == "torchvision":
        return normalized(images)
    mean = torch.tensor(_MEAN, device=images.device)[:, None, None]
    pictures = (images.float() / 255 - mean).flip(1) * 255
    return pictures.contiguous(memory_format=torch.channels_last)


def support_pictures(
    frame: Frame,
    number: int,
    *,
    side: int,
    source: SupportInput,
    preparation: Preparation,
    void: VoidRule,
    crop: bool = False,
) -> Tensor:
    """Supports at (B, C, `side`, `side`), whatever their shape: images bilinear, masks nearest (specification, 2.5).

    `masked`: C = 3, and pixels outside object `number` are 0, the mean colour. `rgbm4`: C = 4, the whole picture and
    the mask. `crop`: of either only the object's bounding box is seen. `UserError` where a mask that shows the object
    loses all of it.
    """
    assert frame.masks is not None
    shown = objects(frame.masks, number, void)
    pieces = _boxes(frame.images, shown) if crop else [(frame.images, shown)]
    mask = torch.cat([F.interpolate(m.unsqueeze(1).float(), (side, side), mode="nearest-exact") for _, m in pieces])
    _check(frame, shown, mask, side)
    images = torch.cat([F.interpolate(image.float(), (side, side), mode="bilinear") for image, _ in pieces])
    pictures = prepared(images, preparation)
    return torch.cat([pictures, mask], 1) if source == "rgbm4" else pictures * mask


def objects(masks: Tensor, number: int, void: VoidRule) -> Tensor:
    """Index masks (B, H, W) -> bool (B, H, W): object `number`, and void where it counts as foreground."""
    found = masks == number
    return found | (masks == VOID) if void == "foreground" else found


def shows(frame: Frame, number: int) -> Tensor:
    """Which of the B supports have a pixel of object `number`: bool (B,)."""
    assert frame.masks is not None
    return (frame.masks == number).flatten(1).any(1)


def _boxes(images: Tensor, shown: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Each image (1, 3, h, w) and mask (1, h, w), cut to what bounds its object; whole where it shows none."""
    found = []
    for row in range(len(images)):
        image, mask = images[row : row + 1], shown[row : row + 1]
        if mask.any():
            (top, left), (bottom, right) = (edge.tolist() for edge in mask[0].nonzero().aminmax(dim=0))
            image, mask = (part[..., top : bottom + 1, left : right + 1] for part in (image, mask))
        found.append((image, mask))
    return found


def _check(frame: Frame, shown: Tensor, mask: Tensor, side: int) -> None:
    lost = (shown.flatten(1).any(1) & ~mask.flatten(1).any(1)).nonzero().flatten().tolist()
    if lost:
        name = f"support {frame.ids[lost[0]]}" if frame.ids else f"a support of episode {lost[0]} of the batch"
        pixels = int(shown[lost[0]].sum())
        raise UserError(
            f"{name} shows {pixels} pixels of its object, and none at {side}x{side}: give another support, or a larger "
            f"support_side"
        )
