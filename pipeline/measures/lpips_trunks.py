"""The networks below LPIPS, each with the preparation of its weights; images are in [-1, 1] as LPIPS takes them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.layers.alexnet import AlexNet
from pipeline.layers.squeezenet import SqueezeNet, prepared
from pipeline.measures.features import RandomTaps

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation for images in [-1, 1], rounded as LPIPS v0.1 has them."""


class Trunk(nn.Module):
    """A fixed network; LPIPS compares its maps cell by cell."""

    channels: Sequence[int]
    """Of each map."""

    def maps(self, images: Tensor) -> list[Tensor]:
        """RGB images (B, 3, H, W), nominally in [-1, 1] -> maps (B, C, h, w) after ReLU."""
        raise NotImplementedError


class AlexTrunk(Trunk):
    """Torchvision's AlexNet after each of its five convolutions."""

    def __init__(self) -> None:
        """Random weights, until those of its `network` are loaded."""
        super().__init__()
        self.network = AlexNet("torchvision")
        self.channels = self.network.channels

    def maps(self, images: Tensor) -> list[Tensor]:
        """See `Trunk`."""
        shift, scale = (torch.tensor(v, device=images.device)[:, None, None] for v in (SHIFT, SCALE))
        return self.network.maps((images - shift) / scale)


class SqueezeTrunk(Trunk):
    """SqueezeNet 1.1 after conv1, fire3, fire5 and fire6 to fire9.

    LPIPS learned its heads on torchvision's weights, with poolings that round up. The public weights that load here
    are of another training, blue first and centred, with poolings that round down: its distances have LPIPS's form and
    magnitude but are not comparable with published ones.
    """

    channels = (64, 128, 256, 384, 384, 512, 512)

    def __init__(self) -> None:
        """Random weights, until those of its `network` are loaded."""
        super().__init__()
        self.network = SqueezeNet()

    def maps(self, images: Tensor) -> list[Tensor]:
        """See `Trunk`."""
        first = self.network.stem(prepared((images + 1) * 127.5))
        fires = self.network.fires(first)
        return [first, fires[1], *fires[3:]]


class RandomTrunk(Trunk):
    """The fixed random convolutions of `RandomTaps`."""

    channels = RandomTaps.channels

    def __init__(self) -> None:
        """There is nothing to load."""
        super().__init__()
        self.network = RandomTaps()

    def maps(self, images: Tensor) -> list[Tensor]:
        """See `Trunk`."""
        return self.network.taps((images + 1) / 2)
