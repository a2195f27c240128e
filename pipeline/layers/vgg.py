"""VGG-16 and VGG-19 up to conv5_1 (Simonyan and Zisserman, ICLR 2015), with the tensor names of torchvision.

Written in plain torch, so that nothing imports torchvision: its published file (`vgg19-dcbb9e9d.pth`) is a table of
tensors, and those of the layers up to conv5_1 load here by their own names.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError

Depth = Literal["vgg16", "vgg19"]
CHANNELS = (64, 128, 256, 512, 512)
"""Of conv1_1, conv2_1, conv3_1, conv4_1 and conv5_1."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's RGB values in [0, 1]: what torchvision's weights expect to be taken off and divided by."""
_CONVOLUTIONS: dict[Depth, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3), "vgg19": (2, 2, 4, 4)}
"""Convolutions of the blocks before the last."""


class Trunk(nn.Module):
    """Feature maps conv1_1 to conv5_1 after their ReLU, each channel divided by its mean activation.

    The division follows the "normalised VGG": raw scales differ by an order of magnitude between layers. Means are 1
    until `calibrate` has seen images. Parameters at full width: 12,944,960 (VGG-19), 9,995,072 (VGG-16).
    """

    def __init__(self, depth: Depth, width: int = 1) -> None:
        """Channels are 64 to 512, divided by `width`; weights start He-normal with zero biases."""
        super().__init__()
        self.channels = tuple(channels // width for channels in CHANNELS)
        self.features = nn.ModuleDict()
        self._blocks: list[list[str]] = []
        position, inputs = 0, 3
        for count, outputs in zip((*_CONVOLUTIONS[depth], 1), self.channels, strict=True):
            self._blocks.append([])
            for _ in range(count):
                self.features[str(position)] = he_convolution(inputs, outputs)
                self._blocks[-1].append(str(position))
                position, inputs = position + 2, outputs  # a ReLU follows
            position += 1  # a pooling follows
        for block, channels in enumerate(self.channels, start=1):
            self.register_buffer(f"mean{block}", torch.ones(channels))
        self.register_buffer("calibrated", torch.zeros((), dtype=torch.bool))
        self.register_buffer("pretrained", torch.zeros((), dtype=torch.bool))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Normalized RGB pictures (B, 3, H, W) -> conv1_1 at (H, W), conv2_1 at half of that, rounded down, ...

        A side of one pixel is halved no further.
        """
        maps = self._activations(pictures)
        return [m / self._mean(block)[:, None, None] for block, m in enumerate(maps, start=1)]

    @torch.no_grad()
    def calibrate(self, pictures: Tensor) -> None:
        """Take the mean activations of normalized pictures (B, 3, H, W) for good.

        A channel that is silent counts as one of a tenth of its layer's mean.
        """
        for block, maps in enumerate(self._activations(pictures), start=1):
            mean = maps.float().mean((0, 2, 3))
            self._mean(block).copy_(mean.clamp(min=float(mean.mean()) * 0.1 + 1e-12))
        self.get_buffer("calibrated").fill_(True)

    def load_torchvision(self, weights: Mapping[str, Tensor]) -> None:
        """Take up torchvision's tensors of the whole network; `UserError` where they are those of another one."""
        with torch.no_grad():
            for name, own in self.features.named_parameters(prefix="features"):
                if name not in weights or weights[name].shape != own.shape:
                    raise UserError(
                        f"the weights hold no {name} of shape {tuple(own.shape)}: they are not torchvision's VGG; "
                        f"delete the file and its manifest in data/raw, and run snakemake"
                    )
                own.copy_(weights[name])
        self.get_buffer("pretrained").fill_(True)

    def _activations(self, x: Tensor) -> list[Tensor]:
        maps = []
        for number, block in enumerate(self._blocks):
            if number:
                for name in self._blocks[number - 1][1:]:
                    x = F.relu(self.features[name](x))
                x = halved(x)
            x = F.relu(self.features[block[0]](x))
            maps.append(x)
        return maps

    def _mean(self, block: int) -> Tensor:
        return self.get_buffer(f"mean{block}")


def normalized(images: Tensor) -> Tensor:
    """RGB images (B, 3, H, W) uint8 -> float32 as torchvision's weights expect them, channels last."""
    mean, deviation = (torch.tensor(v, device=images.device)[:, None, None] for v in (MEAN, DEVIATION))
    return ((images.float() / 255 - mean) / deviation).contiguous(memory_format=torch.channels_last)


def halved(x: Tensor) -> Tensor:
    """The largest of each 2x2 pixels of (B, C, H, W); an odd last row or column is dropped, an only one is kept."""
    height, width = x.shape[-2:]
    return F.max_pool2d(x, (min(2, height), min(2, width)))


def he_convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution before a ReLU: weights normal with variance 2 / fan-in (He et al. 2015), biases 0."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution
