"""LPIPS of two images, layer by layer, as the paper's equation 1 has it."""

import torch
from torch import Tensor

from pipeline.measures.lpips import Lpips


@torch.no_grad()
def plain_lpips(lpips: Lpips, one: Tensor, other: Tensor) -> Tensor:
    """Images (B, 3, H, W) against as many others -> (B,)."""
    found = torch.zeros(len(one))
    for number, (a, b) in enumerate(zip(lpips.trunk.maps(one), lpips.trunk.maps(other), strict=True)):
        a, b = (x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10) for x in (a, b))
        weights = lpips.get_buffer(f"root{number}").square()
        found += ((a - b).square() * weights[:, None, None]).sum(1).mean((1, 2))
    return found
