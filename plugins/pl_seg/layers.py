"""The two networks of the reconstruction: one whose features are compared with prototypes, one that segments."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.vgg16 import Vgg16


class Trunk8(nn.Module):
    """VGG-16 of stride 8: 2x2 pools after blocks 1 to 3, none after 4 and 5, block 5 dilated by 2.

    Sides are halved rounding up: 375x500 -> 47x63. 14,714,688 parameters.
    """

    def __init__(self, *, width: int) -> None:
        """512 / `width` channels."""
        super().__init__()
        self.vgg = Vgg16(width=width, dilation=2)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 512, h, w), after the last ReLU."""
        x = pictures
        for block in range(1, 6):
            x = self.vgg.block(block, x)
            if block <= 3:
                x = F.max_pool2d(x, 2, ceil_mode=True)
        return x


class Fusion(nn.Module):
    """Features weighted by each class's similarity map; a score of each class, by shared weights; both scores fused.

    Parameters at 256 and 128 channels: 295,040 (3x3) + 129 (score) + 6 (1x1 fusion).
    """

    def __init__(self, features: int, hidden: int) -> None:
        """The fusion starts as the identity: each class's score is its logit."""
        super().__init__()
        self.conv, self.score = nn.Conv2d(features, hidden, 3, padding=1), nn.Conv2d(hidden, 1, 1)
        self.fuse = nn.Conv2d(2, 2, 1)
        with torch.no_grad():
            self.fuse.weight.copy_(torch.eye(2)[:, :, None, None])
            self.fuse.bias.zero_()  # type: ignore[union-attr]

    def forward(self, features: Tensor, similarity: Tensor) -> Tensor:
        """Features (B, C, h, w) and similarity (B, 2, h, w) of background and object -> logits (B, 2, h, w)."""
        weighted = (features.unsqueeze(1) * similarity.unsqueeze(2)).flatten(0, 1)
        scores = self.score(F.relu(self.conv(weighted)))
        logits: Tensor = self.fuse(scores.view(similarity.shape))
        return logits


def similarities(embeddings: Tensor, prototypes: Tensor, scale: float) -> Tensor:
    """Logits (B, 2, h, w) of a softmax over negative distances: -`scale` times the squared Euclidean distance, halved.

    Embeddings (B, C, h, w) and prototypes (B, 2, C) are taken as unit vectors, so that half the squared distance is 1 -
    their cosine; float32 under autocast too.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        cells = F.normalize(embeddings.float(), dim=1).flatten(2)
        cosines = F.normalize(prototypes.float(), dim=2) @ cells
        return (scale * (cosines - 1)).view(*cosines.shape[:2], *embeddings.shape[2:])
