"""Exponential moving average of a generator: the network that samples are drawn from."""

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def averaged(network: Network) -> Network:
    """A copy that is evaluated and never trained."""
    return copy.deepcopy(network).eval().requires_grad_(False)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Move every entry of the average's state a share of 1 - `decay` towards the network's, u and v included.

    Entries that are counts are copied; a decay of 0 copies all.
    """
    mine, theirs = average.state_dict().values(), network.state_dict().values()
    pairs = list(zip(mine, theirs, strict=True))
    floating = [(a, b) for a, b in pairs if a.is_floating_point()]
    counts = [(a, b) for a, b in pairs if not a.is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floating], [b for _, b in floating], 1 - decay)
    if counts:
        torch._foreach_copy_([a for a, _ in counts], [b for _, b in counts])
