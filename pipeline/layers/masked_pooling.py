"""What lies under a mask as one vector, and how alike every place of a map is to it (SG-One, arXiv 1810.09091, 3.1).

The paper enlarges the features to the mask's size before it averages them: 384 MB for 512 channels of 375x500 pixels.
The same mean is one of the features as they are, with weights that are the mask under the transpose of the enlargement.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-8
"""The least product of lengths that a cosine divides by."""


def masked_mean(features: Tensor, masks: Tensor) -> Tensor:
    """Mean under each mask of its features, enlarged bilinearly to the mask's size (equations 1 and 2).

    Features (B, C, h, w) and binary masks (B, H, W) -> (B, C) float32, under autocast too; 0 for an empty mask. Every
    mask is divided by its own sum.
    """
    with torch.autocast(features.device.type, enabled=False):
        weights = shrunk(masks.float(), (features.shape[-2], features.shape[-1]))
        sums = features.float().flatten(2) @ weights.flatten(1).unsqueeze(2)
        return sums.squeeze(2) / masks.sum((1, 2)).clamp(min=1).unsqueeze(1)


def shrunk(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """The transpose of enlarging `size` = (h, w) bilinearly to (H, W), applied to masks: (B, H, W) -> (B, h, w).

    The sum stays the same. For any map x: (enlarged(x) * mask).sum() = (x * shrunk(mask)).sum().
    """
    height, width = masks.shape[-2:]
    return _enlarging(size[0], height, masks.device) @ masks @ _enlarging(size[1], width, masks.device).mT


def cosine_map(features: Tensor, vectors: Tensor) -> Tensor:
    """Cosine of the features at every place with a vector (equation 3): (B, C, h, w), (B, C) -> (B, h, w) float32.

    0 where either is 0.
    """
    with torch.autocast(features.device.type, enabled=False):
        features, vectors = features.float(), vectors.float()
        products = (vectors.unsqueeze(1) @ features.flatten(2)).view(len(features), *features.shape[-2:])
        lengths = torch.linalg.vector_norm(features, dim=1) * torch.linalg.vector_norm(vectors, dim=1)[:, None, None]
        cosines: Tensor = products / lengths.clamp(min=EPSILON)
        return cosines


def _enlarging(small: int, large: int, device: torch.device) -> Tensor:
    """(small, large): how much each of `small` values counts in each of the `large` that they are enlarged to."""
    each = torch.eye(small, device=device).unsqueeze(0)
    return F.interpolate(each, large, mode="linear", align_corners=False)[0]
