"""What is computed in float32 although autocast computes the convolutions in fewer bits."""

import torch
from torch import Tensor


def wide(values: Tensor) -> Tensor:
    """The same in float32, or wider: losses, softmax, pooled vectors, distances."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
