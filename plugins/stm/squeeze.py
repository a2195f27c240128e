"""STM's encoders on SqueezeNet 1.1, the one trunk of published weights that runs fast on a CPU; no paper has them.

Maps have a stride of 4, 8 and 16, as those of a ResNet. SqueezeNet has no batch norm: its maps, in the scale of pixels
of 0 to 255, are brought to a mean of 0 and a deviation of 1 over channels and places.
"""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.squeezenet import SqueezeNet, prepared
from plugins.stm.encoders import Maps

FIRES = (1, 3, 7)
"""fire3, fire5 and fire9 among the maps of SqueezeNet."""
SCALE = 255.0
"""Masks enter in the scale of the pictures."""


class SqueezeEncoder(nn.Module):
    """The query's encoder, at full width always: 722,496 parameters."""

    def __init__(self) -> None:
        """He-normal weights, until `load_published`."""
        super().__init__()
        self.squeeze = SqueezeNet(padding=1)
        self.channels = tuple(self.squeeze.channels[n] for n in FIRES)

    def forward(self, images: Tensor) -> Maps:
        """Images (B, 3, H, W) of 0 to 255, sides multiples of 16 -> 128, 256 and 512 channels."""
        return self._maps(self.squeeze.stem(prepared(images)))

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up the public weights in Keras's layout; `UserError` where they are those of another network."""
        self.squeeze.load_published(weights)

    def _maps(self, stem: Tensor) -> Maps:
        fires = self.squeeze.fires(stem)
        return Maps(*(F.group_norm(fires[n].float(), 1) for n in FIRES))


class SqueezeMemoryEncoder(SqueezeEncoder):
    """The memory's encoder: masks of the object and of the others are summed after the first convolution."""

    def __init__(self) -> None:
        """The convolution of the others' masks starts at zero, as in the ResNet's."""
        super().__init__()
        self.extra_object = nn.Conv2d(1, 64, 3, 2, 1, bias=False)
        self.extra_others = nn.Conv2d(1, 64, 3, 2, 1, bias=False)
        nn.init.kaiming_normal_(self.extra_object.weight, nonlinearity="relu")
        nn.init.zeros_(self.extra_others.weight)

    def look(self, images: Tensor, masks: Tensor, others: Tensor) -> Tensor:
        """Images (B, 3, H, W) of 0 to 255, masks (B, O, H, W) in [0, 1] -> fire9 of each object's pass (B O, 512, ...).

        The first convolution sees each image once.
        """
        seen = self.squeeze.features["conv1"](prepared(images)).repeat_interleave(masks.shape[1], 0)
        own, rest = (SCALE * x.flatten(0, 1).unsqueeze(1) for x in (masks, others))
        return self._maps(F.relu(seen + self.extra_object(own) + self.extra_others(rest))).coarse
