"""From the query's map and the support's vector to logits of background and object."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.fcn32 import upsample
from plugins.cofcn.streams import start_normal

Fusion = Literal["multiply", "concatenate"]


class Fused(nn.Module):
    """The vector, at every position, times the map or beside it; one 1x1 convolution; bilinear enlargement."""

    def __init__(self, channels: int, fusion: Fusion) -> None:
        """`channels` of the map and of the vector: 1,026 parameters at 512 (multiply), 2,050 (concatenate)."""
        super().__init__()
        self.fusion = fusion
        self.score = nn.Conv2d(channels if fusion == "multiply" else 2 * channels, 2, 1)

    def forward(self, maps: Tensor, vectors: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps (B, C, h, w) and vectors (B, C) -> logits (B, 2, *size) float32."""
        if self.fusion == "multiply":
            fused = maps * vectors[:, :, None, None]
        else:
            fused = tiled(vectors, maps)
        return F.interpolate(self.score(fused).float(), size, mode="bilinear", align_corners=False)


class Scored(nn.Module):
    """The vector beside the map; fc7 with ReLU and channel dropout; a score that starts at 0; fixed upsampling."""

    def __init__(self, inputs: int, hidden: int, deviation: float) -> None:
        """`inputs` channels of vector and map together, `hidden` of fc7, which starts normal with `deviation`."""
        super().__init__()
        self.fc7, self.score = nn.Conv2d(inputs, hidden, 1), nn.Conv2d(hidden, 2, 1)
        start_normal(self.fc7, deviation)
        start_normal(self.score, 0)

    def forward(self, maps: Tensor, vectors: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps (B, C, h, w) and vectors (B, V) -> logits (B, 2, *size) float32."""
        x = F.dropout2d(F.relu(self.fc7(tiled(vectors, maps))), 0.5, self.training)
        return upsample(self.score(x), *size, offset=0)


def tiled(vectors: Tensor, maps: Tensor) -> Tensor:
    """Vectors (B, V) at every position, before maps (B, C, h, w) -> (B, V + C, h, w)."""
    return torch.cat([vectors[:, :, None, None].to(maps.dtype).expand(-1, -1, *maps.shape[-2:]), maps], 1)
