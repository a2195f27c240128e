"""What may stand before the activations of both networks: nothing (the default), batch norm or instance norm."""

from typing import Literal

from torch import nn

Norm = Literal["none", "batch", "instance"]
DEVIATION = 0.02


def norms(kind: Norm, *channels: int) -> nn.ModuleList:
    """A norm for each count of channels, with scales from N(1, 0.02) and shifts of 0."""
    return nn.ModuleList(_norm(kind, count) for count in channels)


def _norm(kind: Norm, channels: int) -> nn.Module:
    if kind == "none":
        return nn.Identity()
    layer = nn.BatchNorm2d(channels) if kind == "batch" else nn.InstanceNorm2d(channels, affine=True)
    nn.init.normal_(layer.weight, 1.0, DEVIATION)
    nn.init.zeros_(layer.bias)
    return layer
