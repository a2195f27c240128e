"""What a support's network sees: the picture, and its annotation as two channels more."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.vgg import DEVIATION, normalized
from plugins.cofcn.streams import Stream

GREY = 255 * sum(DEVIATION) / len(DEVIATION)
"""Grey levels of one unit of a normalized picture: the release's pictures are 0 to 255, less a mean."""


class Conditioning(nn.Module):
    """A support as one vector: its five channels through a stream of its own, averaged over all positions."""

    def __init__(self, stream: Stream, *, low: float, high: float, dilation: int) -> None:
        """Annotation maps are `low` outside and `high` inside, after a max filter of `dilation` pixels (odd)."""
        super().__init__()
        self.stream, self.low, self.high, self.dilation = stream, low, high, dilation

    def forward(self, images: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Images (B, 3, H, W) uint8; where the object is and where it is not, (B, H, W) bool -> (B, C) float32."""
        maps: Tensor = self.stream(self.annotate(images, positive, negative))
        return maps.float().mean((2, 3))

    def annotate(self, images: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """(B, 5, H, W): normalized RGB, the background's map, the object's. Void pixels are in neither of the two."""
        maps = torch.stack([negative, positive], 1).float()
        maps = F.max_pool2d(maps, self.dilation, 1, self.dilation // 2)
        return torch.cat([normalized(images), self.low + (self.high - self.low) * maps], 1)
