"""The convolutional part of SqueezeNet 1.1 (Iandola et al., arXiv 1602.07360, revised by its authors).

Written in plain torch, with the layers' names of the public Keras weights (`fire2/squeeze1x1`), which load here.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError

FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
"""Channels of the squeeze and of each of the two expand convolutions of fire2 to fire9."""
BGR_MEAN = (104.006, 116.669, 122.679)
"""Of ImageNet's pixels in [0, 255], blue first: what the published weights expect to be taken off."""


class SqueezeNet(nn.Module):
    """Maps of fire2 to fire9; 722,496 parameters at full width."""

    strides: tuple[int, ...]
    """Pixels of the picture between the cells of each map: 4, 4, 8, 8 and four times 16 (8 where `dilated`)."""
    channels: tuple[int, ...]
    """Of each map: 128, 128, 256, 256, 384, 384, 512, 512, divided by the width."""

    def __init__(self, *, width: int = 1, padding: int = 0, dilated: bool = False) -> None:
        """Channels divided by `width`; weights start He-normal with zero biases.

        `padding` of the first convolution and of the poolings: with 0, as published, the first cell of a map of stride
        s lies at pixel s - 1 and the last may lie 2s before the edge; with 1 cells lie at multiples of s, from edge to
        edge. `dilated` leaves out the stride of the last pooling and dilates the 3x3 convolutions after it instead,
        so that every other cell equals the published network's.
        """
        super().__init__()
        self._padding, self._dilated = padding, dilated
        self.strides = (4, 4, 8, 8, *[8 if dilated else 16] * 4)
        self.channels = tuple(2 * expand // width for _, expand in FIRES)
        self.features = nn.ModuleDict({"conv1": nn.Conv2d(3, 64 // width, 3, stride=2, padding=padding)})
        before = 64 // width
        for number, (squeeze, expand) in enumerate(FIRES, start=2):
            few, many = squeeze // width, expand // width
            dilation = 2 if dilated and number >= 6 else 1
            self.features[f"fire{number}/squeeze1x1"] = nn.Conv2d(before, few, 1)
            self.features[f"fire{number}/expand1x1"] = nn.Conv2d(few, many, 1)
            self.features[f"fire{number}/expand3x3"] = nn.Conv2d(few, many, 3, padding=dilation, dilation=dilation)
            before = 2 * many
        for name, tensor in self.features.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(tensor, nonlinearity="relu")
            else:
                nn.init.zeros_(tensor)
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    def stem(self, pictures: Tensor) -> Tensor:
        """Prepared pictures (B, 3, H, W) -> the output of conv1, after ReLU: 64 channels, every other pixel."""
        return F.relu(self.features["conv1"](pictures))

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Prepared pictures (B, 3, H, W), at least 31 pixels a side -> the outputs of fire2 to fire9, after ReLU."""
        return self.fires(self.stem(pictures))

    def fires(self, x: Tensor) -> list[Tensor]:
        """The rest of `maps`, from conv1's output on."""
        found: list[Tensor] = []
        for number in range(2, 10):
            if number in (2, 4, 6):
                x = F.max_pool2d(x, 3, 1 if self._dilated and number == 6 else 2, self._padding)
            x = self._fire(number, x)
            found.append(x)
        return found

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up the public weights (full width alone); `UserError` where they are those of another network."""
        with torch.no_grad():
            for name, own in self.features.named_parameters():
                if name not in weights or weights[name].shape != own.shape:
                    raise UserError(
                        f"the weights hold no {name} of shape {tuple(own.shape)}: they are not SqueezeNet 1.1 in "
                        f"Keras's layout; delete the file and its manifest in data/raw, and run snakemake"
                    )
                own.copy_(weights[name])
        self.get_buffer("pretrained").fill_(True)

    def _fire(self, number: int, x: Tensor) -> Tensor:
        """Section 3.2: squeeze to few channels, then 1x1 and 3x3 convolutions side by side."""
        few = F.relu(self.features[f"fire{number}/squeeze1x1"](x))
        one, three = self.features[f"fire{number}/expand1x1"], self.features[f"fire{number}/expand3x3"]
        return F.relu(torch.cat([one(few), three(few)], 1))


def prepared(images: Tensor) -> Tensor:
    """RGB images (B, 3, H, W), uint8 or float in [0, 255] -> float32 as the public weights expect them."""
    mean = torch.tensor(BGR_MEAN, device=images.device)[:, None, None]
    return (images.float().flip(1) - mean).contiguous(memory_format=torch.channels_last)
