"""The image pyramid that a discriminator sees: each level is half the one before it."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def pyramid(full: Tensor, levels: Sequence[Tensor]) -> list[Tensor]:
    """`full` (B, C, H, W) at the sizes of `levels`: bilinear, each from the one before, which for halves is the mean
    of 2 x 2 pixels; levels[0] has the size of `full`.
    """
    made = [full]
    for level in levels[1:]:
        made.append(F.interpolate(made[-1], size=level.shape[-2:], mode="bilinear", align_corners=False))
    return made
