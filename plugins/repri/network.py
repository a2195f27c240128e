"""PSPNet: what RePRI takes its features from (Zhao et al. 2017, arXiv 1612.01105)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.embedders import Embedder
from pipeline.layers.resnet import ResNet
from pipeline.layers.vgg import normalized

BINS = (1, 2, 3, 6)


class PspNet(Embedder):
    """A dilated ResNet, pyramid pooling, a bottleneck of 512 channels, whose outputs are the features; a classifier."""

    def __init__(self, resnet: ResNet, *, classes: int, width: int = 1, dropout: float = 0.1) -> None:
        """`classes` with the background; channels of all but `resnet` are 512 divided by `width`."""
        super().__init__()
        channels = 512 // width
        self.resnet = resnet
        self.pyramid = nn.ModuleList(_block(resnet.outputs, channels, 1) for _ in BINS)
        self.bottleneck = _block(resnet.outputs + len(BINS) * channels, channels, 3)
        self.dropout = nn.Dropout2d(dropout)
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """RGB images (B, 3, H, W) uint8 -> features (B, 512, h, w) every 8 pixels, after ReLU."""
        deep = self.resnet.maps(normalized(images))[-1]
        size = deep.shape[-2:]
        levels = [deep]
        for bins, block in zip(BINS, self.pyramid, strict=True):
            pooled = block(F.adaptive_avg_pool2d(deep, bins))
            levels.append(F.interpolate(pooled, size, mode="bilinear", align_corners=True))
        features: Tensor = self.bottleneck(torch.cat(levels, 1))
        return features

    def logits(self, images: Tensor) -> Tensor:
        """Scores (B, classes, H, W) of every class at every pixel."""
        scores = self.classifier(self.dropout(self(images)))
        return F.interpolate(scores, images.shape[-2:], mode="bilinear", align_corners=True)


def _block(before: int, after: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU())
