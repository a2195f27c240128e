"""Soft masks made hard."""

import torch
from torch import Tensor


def one_hot(masks: Tensor) -> Tensor:
    """Masks (B, N, H, W) with one where they are largest over N, zero elsewhere; no gradient."""
    return torch.zeros_like(masks).scatter_(1, masks.detach().argmax(1, keepdim=True), 1)
