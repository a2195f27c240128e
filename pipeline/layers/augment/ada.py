"""The full set of adaptive discriminator augmentation (ADA), at a constant strength, for an image pyramid and masks.

Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B, "bgcfnc". What happens
to the lower levels and to the masks is not published; this is the project's own reading.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.augment.colour import colour_maps, recolour
from pipeline.layers.augment.draws import Draws, checked
from pipeline.layers.augment.geometry import inverse_maps, rescaled, warp_images, warp_masks
from pipeline.layers.augment.one_hot import one_hot
from pipeline.layers.augment.pyramid import pyramid
from pipeline.layers.augment.wavelets import BANDS, amplify

Operation = Literal["blit", "geometry", "colour", "filter", "noise", "cutout"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
SPECTRUM = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # expected power of the four bands of a natural image


class AdaAugmentation:
    """Augments what a discriminator sees; each operation acts on each sample with probability `strength`.

    A real image is augmented at full size and its pyramid made anew. A generated one, whose levels come from the
    network, has the same done to each level: the map rescaled, the bands an octave higher at each halving, and the
    pyramid of one field of noise and of one cutout. Masks are warped alone; cutout leaves them. Real ones become
    one-hot again unless `harden` is false. `operations` takes groups out.
    """

    def __init__(self, *, strength: float, harden: bool = True, operations: Sequence[Operation] = OPERATIONS) -> None:
        """`strength` is a probability and `operations` are of `OPERATIONS`; `UserError` otherwise."""
        if unknown := set(operations) - set(OPERATIONS):
            raise UserError(f"unknown augmentation {', '.join(sorted(unknown))}; there are {', '.join(OPERATIONS)}")
        self.strength = checked(strength)
        self.harden = harden
        self.operations = frozenset(operations)

    def __call__(
        self, levels: Sequence[Tensor], masks: Tensor | None, *, real: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """Levels (B, 3, H / 2^i, W / 2^i) in [-1, 1] and masks (B, N, H, W), augmented; types stay.

        Random numbers come from the global generator of the device, as many for real as for generated images.
        """
        if self.strength == 0:
            return list(levels), masks
        full = levels[0]
        with torch.autocast(full.device.type, enabled=False):
            draws = Draws(count=len(full), strength=self.strength, device=full.device)
            images = [level.float().contiguous() for level in (levels[:1] if real else levels)]
            images, warped = self._warp(draws, images, masks, real)
            images = self._corrupt(draws, self._restyle(draws, images))
            made = pyramid(images[0], levels) if real else images
        return [image.to(level.dtype) for image, level in zip(made, levels, strict=True)], warped

    def _warp(
        self, draws: Draws, images: list[Tensor], masks: Tensor | None, real: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        blit, general = "blit" in self.operations, "geometry" in self.operations
        if not (blit or general):
            return images, masks
        height, width = images[0].shape[-2:]
        maps = inverse_maps(draws, (height, width), blit=blit, general=general)
        images = [warp_images(image, rescaled(maps, image.shape[-1] / width)) for image in images]
        if masks is None:
            return images, None
        warped = warp_masks(masks.float(), maps)
        return images, (one_hot(warped) if real and self.harden else warped).to(masks.dtype)

    def _restyle(self, draws: Draws, images: list[Tensor]) -> list[Tensor]:
        if "colour" in self.operations:
            maps = colour_maps(draws)
            images = [recolour(image, maps) for image in images]
        if "filter" in self.operations:
            factors = band_gains(draws)
            images = [amplify(image, factors, octave) for octave, image in enumerate(images)]
        return images

    def _corrupt(self, draws: Draws, images: list[Tensor]) -> list[Tensor]:
        if "noise" in self.operations:
            deviations = draws.acts() * draws.normal(0.1).abs()
            noise = deviations[:, :, None, None] * torch.randn_like(images[0])
            images = [image + part for image, part in zip(images, pyramid(noise, images), strict=True)]
        if "cutout" in self.operations:
            kept = cutouts(draws, images[0])
            images = [image * part for image, part in zip(images, pyramid(kept, images), strict=True)]
        return images


def band_gains(draws: Draws) -> Tensor:
    """Factors (B, 4) of the frequency bands; each change is divided by what it does to the expected power."""
    factors = torch.exp2(draws.acts(BANDS) * draws.normal(1.0, BANDS))
    power = torch.stack([1 + share * (factors[:, band] ** 2 - 1) for band, share in enumerate(SPECTRUM)], 1)
    return factors / power.prod(1, keepdim=True).sqrt()


def cutouts(draws: Draws, images: Tensor) -> Tensor:
    """Zeros (B, 1, H, W) in a rectangle of half the height and width around a place in the image, ones elsewhere."""
    acts, centres = draws.acts().bool(), draws.uniform(0.5, 2) + 0.5
    inside = [
        ((torch.arange(side, device=images.device) + 0.5) / side - centres[:, axis : axis + 1]).abs() < 0.25
        for axis, side in enumerate(images.shape[-2:])
    ]
    hole = inside[0][:, :, None] & inside[1][:, None, :] & acts[:, :, None]
    return (~hole).unsqueeze(1).float()
