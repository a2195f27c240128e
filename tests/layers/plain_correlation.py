"""Correlation written directly: one convolution an image, with its reference for the kernel."""

import torch
import torch.nn.functional as F
from torch import Tensor


def direct(images: Tensor, references: Tensor) -> Tensor:
    """Images (B, C, H, W) and references (B, C, h, w) -> (B, 1, H, W); (h - 1) // 2 rows of zeros above, h // 2 below."""
    height, width = references.shape[-2:]
    padded = F.pad(images, ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
    return torch.cat([F.conv2d(padded[b : b + 1], references[b : b + 1]) for b in range(len(images))])
