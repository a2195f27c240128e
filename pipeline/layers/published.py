"""Taking up published tensors one at a time, where shapes differ by a reshape alone (fully connected layers)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline.errors import UserError


@torch.no_grad()
def take(layer: nn.Conv2d | nn.Linear, weights: Mapping[str, Tensor], name: str, network: str) -> None:
    """Copy `name`.weight and `name`.bias into `layer`, a matrix (o, i h w) into a convolution (o, i, h, w) as well.

    `UserError` where they are not there or belong to a layer of another size; it names the `network` they should be of.
    """
    for part, own in layer.named_parameters():
        found = weights.get(f"{name}.{part}")
        if found is None or found.numel() != own.numel() or found.shape[0] != own.shape[0]:
            shape = "none" if found is None else str(tuple(found.shape))
            raise UserError(
                f"the weights are not those of {network}: {name}.{part} should have {len(own)} rows and "
                f"{own.numel()} numbers (found: {shape}); delete the file and its manifest in data/raw, run snakemake"
            )
        own.copy_(found.view_as(own))
