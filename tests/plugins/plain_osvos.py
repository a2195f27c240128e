"""OSVOS's network as published: dense transposed convolutions of 16 channels with bilinear kernels, centre crops."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.squeezenet import prepared
from plugins.osvos.network import Network

STRIDES = (2, 4, 8, 16)


def bilinear(channels: int, stride: int) -> nn.ConvTranspose2d:
    """Kernel of 2 `stride` pixels on the diagonal, 0 elsewhere."""
    layer = nn.ConvTranspose2d(channels, channels, 2 * stride, stride, bias=False)
    line = 1 - (torch.arange(2 * stride) - (stride - 0.5)).abs() / stride
    with torch.no_grad():
        layer.weight.zero_()
        for channel in range(channels):
            layer.weight[channel, channel] = line[:, None] * line[None]
    return layer


def cropped(x: Tensor, height: int, width: int) -> Tensor:
    """Of an excess e, floor(e / 2) is removed at the top and left."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


class PlainOsvos(nn.Module):
    """The same tensors as `network`, and the fixed kernels."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.up = nn.ModuleList(bilinear(16, stride) for stride in STRIDES)
        self.up_score = nn.ModuleList(bilinear(1, stride) for stride in STRIDES)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Side logits, then the fused one, each (B, 1, H, W)."""
        net, size = self.network, images.shape[-2:]
        x, sides, scores = prepared(images), [], []
        for number in range(1, 6):
            x = F.max_pool2d(x, 2, ceil_mode=True) if number > 1 else x
            x = net.trunk.vgg.block(number, x)
            if number > 1:
                side = net.side[number - 2](x)
                sides.append(cropped(self.up[number - 2](side), *size))
                scores.append(cropped(self.up_score[number - 2](net.score[number - 2](side)), *size))
        return [*scores, net.fuse(torch.cat(sides, 1))]
