"""The reduced augmentation of the One-Shot GAN: crops, small rotations, flips and mirrored shifts, all geometric.

Sushko et al., "One-Shot GAN: Learning to Generate Samples from Single Images and Videos" (2021), as released.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.augment.draws import Draws, checked
from pipeline.layers.augment.one_hot import one_hot
from pipeline.layers.augment.reflection import fold


class ReducedAugmentation:
    """Augments what a discriminator sees; operations act on a whole batch or not, their parameters are per sample.

    All levels and the masks are sampled once, bilinearly, at the same places, where the released code enlarges the
    levels to full size and resamples them at every operation. Masks become soft, as there; with `harden` real ones
    become one-hot again.
    """

    def __init__(self, *, strength: float, harden: bool = False) -> None:
        """`strength` is a probability; `UserError` otherwise."""
        self.strength = checked(strength)
        self.harden = harden

    def __call__(
        self, levels: Sequence[Tensor], masks: Tensor | None, *, real: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """Levels (B, 3, H / 2^i, W / 2^i) and masks (B, N, H, W), augmented; types stay.

        Random numbers come from the global generator of the device.
        """
        if self.strength == 0:
            return list(levels), masks
        full = levels[0]
        with torch.autocast(full.device.type, enabled=False):
            places = draw_places(len(full), self.strength, full)
            made = [places.sample(level.float()).to(level.dtype) for level in levels]
            if masks is None:
                return made, None
            warped = places.sample(masks.float())
            return made, (one_hot(warped) if real and self.harden else warped).to(masks.dtype)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where in the original each place of an augmented image lies; x and y run from -1 to 1 between the edges."""

    shifts: Tensor  # (B, 2), the last operation: undone first
    mirror: Tensor  # (1, 1), -1 where x is flipped
    linear: Tensor  # (B, 2, 2)
    offset: Tensor  # (B, 2)

    def sample(self, pictures: Tensor) -> Tensor:
        """Pictures (B, C, h, w) float32 of any size; reflected about the edges where a rotation leaves them."""
        height, width = pictures.shape[-2:]
        x = self._unshifted(0, width) * self.mirror
        y = self._unshifted(1, height)
        points = x[:, None, :, None] * self.linear[:, None, None, :, 0]
        points = points + y[:, :, None, None] * self.linear[:, None, None, :, 1] + self.offset[:, None, None]
        return F.grid_sample(pictures, points, padding_mode="reflection", align_corners=False)

    def _unshifted(self, axis: int, side: int) -> Tensor:
        """(B, `side`): the vacated strip holds the strip at the border, mirrored about the edge."""
        places = (torch.arange(side, device=self.shifts.device) + 0.5) * (2 / side) - 1
        return fold(places - self.shifts[:, axis : axis + 1], 1.0)


def draw_places(count: int, strength: float, full: Tensor) -> Places:
    """Parameters of `count` samples for an image of the size of `full`; nothing here waits for its device.

    In turn: an enlargement x 2 cropped to size (with half the strength); a crop of 3/4 to all of the sides, or a
    rotation of up to 8 degrees whose middle 80 % are kept; a flip; shifts along y and along x.
    """
    height, width = full.shape[-2:]
    batch = Draws(count=1, strength=strength, device=full.device)
    each = Draws(count=count, strength=1.0, device=full.device)
    doubled = batch.acts(probability=strength / 2)
    turns = batch.integer(2)
    crops = batch.acts()
    part = 1 - crops * (1 - turns) * (0.125 + each.uniform(0.125))
    angle = crops * turns * each.uniform(math.radians(8))
    zoom = 1 - doubled / 2
    inner = each.uniform(1.0, 2) * (1 - part)
    outer = each.uniform(0.5, 2) * doubled
    cosine, sine = angle.cos(), angle.sin()
    turn = torch.cat((cosine, -sine * (height / width), sine * (width / height), cosine), 1).view(-1, 2, 2)
    return Places(
        shifts=torch.cat([batch.acts() * _shifts(each, side) for side in (width, height)], 1),
        mirror=1 - 2 * batch.acts(),
        linear=turn * (zoom * part * (1 - 0.2 * crops * turns)).unsqueeze(2),
        offset=zoom * inner + outer,
    )


def _shifts(each: Draws, side: int) -> Tensor:
    """Shifts (B, 1) of 5 to 30 % of `side`, either way, in whole pixels; given in halves of the side."""
    pixels = ((0.175 + each.uniform(0.125)) * side).floor()
    return (1 - 2 * each.integer(2)) * pixels * (2 / side)
