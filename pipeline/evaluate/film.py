"""Frames of a film: a query made small, and beside its colours how likely each pixel is of object 1."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

SIDE = 192
"""Pixels of the longer side at most."""


def film_frames(images: Tensor, probabilities: Tensor) -> NDArray[np.uint8]:
    """Images (B, 3, H, W) uint8 and probabilities (B, O, H, W) -> (B, h, w, 4): red, green, blue, 255 x probability.

    Each pixel is the mean of those it covers; a frame that is small already stays as it is.
    """
    both = torch.cat([images.float(), 255 * probabilities[:, :1].float()], 1)
    height, width = both.shape[-2:]
    least = min(1.0, SIDE / max(height, width))
    small = F.adaptive_avg_pool2d(both, (round(height * least), round(width * least)))
    return np.asarray(small.permute(0, 2, 3, 1).round().to(torch.uint8).cpu().numpy())


def label_frames(images: Tensor, probabilities: Tensor) -> NDArray[np.uint8]:
    """Images (B, 3, H, W) uint8 and probabilities (B, O, H, W) -> (B, h, w, 4): red, green, blue, and a label.

    The label is the likeliest object, or 0 where all are < 0.5; of the pixels that one covers, it is the middle one's.
    """
    height, width = images.shape[-2:]
    least = min(1.0, SIDE / max(height, width))
    size = round(height * least), round(width * least)
    best, label = probabilities.float().max(dim=1, keepdim=True)
    labels = F.interpolate(torch.where(best < 0.5, 0, label + 1).float(), size, mode="nearest-exact")
    both = torch.cat([F.adaptive_avg_pool2d(images.float(), size).round(), labels], 1)
    return np.asarray(both.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy())
