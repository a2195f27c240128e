"""Bicubic resampling that antialiases, as MATLAB's imresize: what SinGAN and ConSinGAN resize images with.

Keys' cubic with a = -1/2, stretched by the ratio where the picture shrinks, normalized, symmetric at the borders.
"""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def resample(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (B, C, H, W) float32 in [-1, 1] -> (B, C, *size), clamped to [-1, 1]; the same where nothing changes."""
    height, width = images.shape[-2:]
    if (height, width) == size:
        return images
    down = _matrix(height, size[0], images.device)
    across = _matrix(width, size[1], images.device)
    return (down @ images.clamp(-1, 1) @ across.T).clamp(-1, 1)


def cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel, IEEE TASSP 29(6), 1981, with a = -1/2: 1 at 0, 0 at all other integers and beyond 2."""
    x = np.abs(distance)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=128)
def _matrix(source: int, target: int, device: torch.device) -> Tensor:
    """(target, source): what each pixel of a line of `target` takes from the pixels of a line of `source`."""
    ratio = target / source
    stretch = max(1.0, 1 / ratio)
    centres = (np.arange(target) + 0.5) / ratio - 0.5
    reach = int(np.ceil(2 * stretch)) + 1
    taps = np.floor(centres)[:, None].astype(np.int64) + np.arange(-reach, reach + 1)
    weights = cubic((centres[:, None] - taps) / stretch)
    weights /= weights.sum(1, keepdims=True)
    mirrored = np.concatenate([np.arange(source), np.arange(source)[::-1]])[taps % (2 * source)]
    matrix = np.zeros((target, source))
    np.add.at(matrix, (np.arange(target)[:, None], mirrored), weights)
    return torch.from_numpy(matrix.astype(np.float32)).to(device)
