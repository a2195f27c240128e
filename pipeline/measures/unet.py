"""The U-Net on a ResNet-18 whose mIoU judges synthesized masks (OSMIS, section 4.1; layers as in its released code)."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import UserError


class ResNet18Encoder(nn.Module):
    """ResNet-18 without its classifier (He et al., arXiv 1512.03385), with torchvision's names of layers."""

    def __init__(self, *, width: int = 1) -> None:
        """Channels divided by `width`; random weights, until `load_published`."""
        super().__init__()
        self.channels = tuple(channels // width for channels in (64, 64, 128, 256, 512))
        """Of the maps at strides 2, 4, 8, 16 and 32."""
        stem, *wide = self.channels
        self.conv1 = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        for number, (before, channels) in enumerate(zip(self.channels, wide, strict=False), start=1):
            self.add_module(f"layer{number}", _stage(before, channels, stride=1 if number == 1 else 2))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> the outputs of the stem and of the four stages."""
        x = F.relu(self.bn1(self.conv1(images)))
        found = [x]
        x = F.max_pool2d(x, 3, stride=2, padding=1)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
            found.append(x)
        return found

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take up torchvision's tensors (full width alone); `UserError` where they are those of another network."""
        try:
            self.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("fc.")})
        except RuntimeError as error:
            raise UserError(
                f"the weights are not torchvision's ResNet-18 ({' '.join(str(error).split())[:100]}); delete the file "
                f"and its manifest in data/raw, and run snakemake"
            ) from None


class UNet(nn.Module):
    """Images (B, 3, H, W) in [-1, 1] -> logits (B, N, H, W); 17,799,874 parameters for N = 2.

    Sides are multiples of 32. Each map of the encoder passes a 1x1 convolution; from the deepest on, what has been
    found is enlarged (bilinear, corners aligned) and joined to the next.
    """

    def __init__(self, classes: int, *, width: int = 1) -> None:
        """For `classes` N, background among them; all channels divided by `width`."""
        super().__init__()
        self.encoder = ResNet18Encoder(width=width)
        maps = self.encoder.channels
        out, half, full = 256 // width, 128 // width, 64 // width
        self.lateral = nn.ModuleList(_convolution(channels, channels, 1) for channels in maps)
        self.up = nn.ModuleList(
            _convolution(before + beside, after, 3)
            for before, beside, after in (
                (maps[4], maps[3], 2 * out),
                (2 * out, maps[2], out),
                (out, maps[1], out),
                (out, maps[0], half),
            )
        )
        self.original = nn.Sequential(_convolution(3, full, 3), _convolution(full, full, 3))
        self.joined = _convolution(half + full, full, 3)
        self.last = nn.Conv2d(full, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of every pixel."""
        maps = [lateral(found) for lateral, found in zip(self.lateral, self.encoder(images), strict=True)]
        x = maps[-1]
        for up, beside in zip(self.up, maps[-2::-1], strict=True):
            x = up(torch.cat([_enlarged(x), beside], 1))
        logits: Tensor = self.last(self.joined(torch.cat([_enlarged(x), self.original(images)], 1)))
        return logits


class ResidualBlock(nn.Module):
    """Figure 5, left, of He et al.; where the shape changes the shortcut is a normalized 1x1 convolution."""

    def __init__(self, before: int, channels: int, *, stride: int) -> None:
        """The first convolution has the `stride`."""
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = nn.Sequential()
        if stride != 1 or before != channels:
            self.downsample.append(nn.Conv2d(before, channels, 1, stride=stride, bias=False))
            self.downsample.append(nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) -> (B, channels, H / stride, W / stride)."""
        found = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(found + self.downsample(x))


def _stage(before: int, channels: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(ResidualBlock(before, channels, stride=stride), ResidualBlock(channels, channels, stride=1))


def _convolution(before: int, after: int, side: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, side, padding=side // 2), nn.ReLU(inplace=True))


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
