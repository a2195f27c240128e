"""conv1_1 of a VGG, from torchvision's weights where they can be had, else random filters in its place."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.pretrained import read_published
from pipeline.seeds import generator
from pipeline.texturize.gram import FILTERS

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pixels, 0 to 1: how torchvision's networks want their input."""
_LEAST = 0.05
"""Share of the average mean activation below which a channel's is not divided out: it would only amplify noise."""


@dataclass(frozen=True)
class Trunk:
    """The first layer, for pixels from 0 to 1 less `MEAN` (so that padding with 0 is the network's own)."""

    name: str
    """`vgg19`, `vgg16` or `random`."""
    filters: Tensor
    """(64, 28): weights by channel, row and column, and the bias."""

    def normalized(self, means: Tensor) -> Tensor:
        """Filters (B, 64, 28) with mean activation 1 on sources where they had `means` (B, 64)."""
        floor = _LEAST * means.mean(1, keepdim=True)
        return self.filters.to(means) / means.maximum(floor).clamp_min(1e-12)[:, :, None]


def find_trunk(name: str, weights: str | None, *, insist: bool = False) -> Trunk:
    """The trunk `name` from the source whose manifest is `weights`; `random` where there is none.

    `UserError` where the weights are damaged, and where they cannot be had although `insist` says that they must.
    """
    tensors = read_published(Path(weights), insist=insist) if weights else None
    if tensors is None:
        return Trunk("random", _scaled(*_random()))
    try:
        weight, bias = tensors["features.0.weight"].float(), tensors["features.0.bias"].float()
        return Trunk(name, _scaled(weight.reshape(FILTERS, 27), bias))
    except (KeyError, RuntimeError):
        raise UserError(f"{weights} leads to no weights of {name}: delete it and run snakemake") from None


def _random() -> tuple[Tensor, Tensor]:
    """Rectified random filters give the same kind of texture (spec 2.5); He's scale, always the same ones."""
    random = generator(0, "initialize", "conv1_1")
    weight = random.normal(0, (2 / 27) ** 0.5, size=(FILTERS, 27))
    return torch.from_numpy(weight).float(), torch.from_numpy(random.normal(0, 0.1, size=FILTERS)).float()


def _scaled(weight: Tensor, bias: Tensor) -> Tensor:
    scaled = weight.reshape(FILTERS, 3, 9) / torch.tensor(DEVIATION)[:, None]
    return torch.cat([scaled.reshape(FILTERS, 27), bias[:, None]], 1)
