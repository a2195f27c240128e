"""One training pair and the pairs synthesized from it: what every measure of synthesis looks at."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import UserError


@dataclass(frozen=True)
class Pair:
    """Images are uint8 RGB, masks uint8 indices with background 0; all on one device."""

    real: tuple[Tensor, Tensor]
    """Image (3, H, W) and mask (H, W), at any size."""
    fakes: tuple[Tensor, Tensor]
    """Images (n, 3, h, w) and masks (n, h, w)."""
    objects: int
    """Ids in the masks are 0 to this."""
    masks: bool = True
    """Whether the synthesizer makes masks; if not, those of `fakes` mean nothing."""

    def fitted(self) -> tuple[Tensor, Tensor]:
        """The real image and mask at the size of the fakes."""
        if len(self.fakes[0]) == 0:
            raise UserError("there are no synthesized images to measure: ask for one sample at least")
        height, width = self.fakes[0].shape[-2:]
        image, mask = self.real
        return scaled_images(image[None], (height, width))[0], scaled_masks(mask[None], (height, width))[0]


def scaled_images(images: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 (n, 3, H, W) -> (n, 3, *size), bilinear and antialiased as Pillow does it."""
    if tuple(images.shape[-2:]) == size:
        return images
    scaled = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def scaled_masks(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 (n, H, W) -> (n, *size), the nearest pixel as Pillow finds it."""
    if tuple(masks.shape[-2:]) == size:
        return masks
    return F.interpolate(masks[:, None], size, mode="nearest-exact")[:, 0]
