"""Correlations of all places of two images, and the network that squeezes them (HSNet, arXiv 2104.01538).

A hypercorrelation (B, L, h, w, i, j) compares every place (h, w) of the query with every place (i, j) of the support,
by L layers.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5
"""Added to the length of a feature before it is divided by it, as in the authors' code."""
GROUPS = 4


def hypercorrelation(queries: Sequence[Tensor], supports: Sequence[Tensor]) -> Tensor:
    """Cosines, those below 0 cut off, of L maps (B, C, h, w) and (B, C, i, j) -> (B, L, h, w, i, j) float32."""
    with torch.autocast(queries[0].device.type, enabled=False):
        each = [
            torch.einsum("bchw,bcij->bhwij", _unit(query), _unit(support))
            for query, support in zip(queries, supports, strict=True)
        ]
    return torch.stack(each, 1).clamp(min=0)


def _unit(features: Tensor) -> Tensor:
    features = features.float()
    unit: Tensor = features / (torch.linalg.vector_norm(features, dim=1, keepdim=True) + EPSILON)
    return unit


class CentrePivot(nn.Module):
    """A 4-D convolution whose kernel is 0 but at the centre of the query's places or of the support's.

    So it is two 2-D convolutions, each with a bias: one over the query's places, one over the support's, of which
    those between the strides are left out first.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        """`stride` of the support's places alone; both are padded by half a `kernel`."""
        super().__init__()
        self.stride = stride
        self.query = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
        self.support = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w, i, j) -> (B, outputs, h, w, i / stride, j / stride), rounded up."""
        few = x[..., :: self.stride, :: self.stride]
        over_query = _apply(self.query, few.permute(0, 4, 5, 1, 2, 3)).permute(0, 3, 4, 5, 1, 2)
        over_support = _apply(self.support, x.permute(0, 2, 3, 1, 4, 5)).permute(0, 3, 1, 2, 4, 5)
        return over_query + over_support


def _apply(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A 2-D convolution of the last two dimensions of (B, m, n, C, ., .)."""
    found: Tensor = convolution(x.flatten(0, 2))
    return found.view(*x.shape[:3], *found.shape[1:])


class Block(nn.Sequential):
    """Centre-pivot convolutions, each followed by a normalization of 4 groups and a ReLU."""

    def __init__(self, inputs: int, outputs: Sequence[int], kernels: Sequence[int], strides: Sequence[int]) -> None:
        """Channels, kernels and strides of the convolutions in turn."""
        layers: list[nn.Module] = []
        for before, after, kernel, stride in zip([inputs, *outputs], outputs, kernels, strides, strict=False):
            layers += [CentrePivot(before, after, kernel, stride), nn.GroupNorm(GROUPS, after), nn.ReLU()]
        super().__init__(*layers)


class Learner(nn.Module):
    """Squeeze the support's places away level by level, mix the levels, and decode what is left.

    2,570,018 parameters on VGG-16 (1, 3 and 3 layers); ResNet-50's 3, 6 and 4 would make them 2,573,794.
    """

    def __init__(self, layers: tuple[int, int, int], channels: tuple[int, int, int]) -> None:
        """`layers` at strides 32, 16 and 8; `channels` of the squeezing blocks, 16, 64 and 128 at full width."""
        super().__init__()
        _, more, most = channels
        self.squeeze32 = Block(layers[0], channels, (3, 3, 3), (2, 2, 2))
        self.squeeze16 = Block(layers[1], channels, (5, 3, 3), (4, 2, 2))
        self.squeeze8 = Block(layers[2], channels, (5, 5, 3), (4, 4, 2))
        self.mix16 = Block(most, (most, most, most), (3, 3, 3), (1, 1, 1))
        self.mix8 = Block(most, (most, most, most), (3, 3, 3), (1, 1, 1))
        self.decode_small = nn.Sequential(
            nn.Conv2d(most, most, 3, padding=1), nn.ReLU(), nn.Conv2d(most, more, 3, padding=1), nn.ReLU()
        )
        self.decode_large = nn.Sequential(
            nn.Conv2d(more, more, 3, padding=1), nn.ReLU(), nn.Conv2d(more, 2, 3, padding=1)
        )

    def forward(self, correlations: Sequence[Tensor]) -> Tensor:
        """Hypercorrelations at strides 32, 16 and 8 -> logits (B, 2, 2 h, 2 w) at stride 4: background and object.

        From 400x400 pixels: 12, 25 and 50 places a side, of the support's 2, 2 and 2 after squeezing; logits of 100.
        """
        deep, middle, fine = (
            squeeze(x) for squeeze, x in zip((self.squeeze32, self.squeeze16, self.squeeze8), correlations, strict=True)
        )
        middle = self.mix16(middle + _fitted(deep, middle))
        fine = self.mix8(fine + _fitted(middle, fine))
        x = self.decode_small(fine.mean((4, 5)))
        x = F.interpolate(x, (2 * x.shape[-2], 2 * x.shape[-1]), mode="bilinear", align_corners=True)
        logits: Tensor = self.decode_large(x)
        return logits


def _fitted(x: Tensor, other: Tensor) -> Tensor:
    """Enlarge the query's places of x (B, C, h, w, i, j) to those of `other`; the support's are as many, or one."""
    places = x.permute(0, 4, 5, 1, 2, 3)
    larger = F.interpolate(places.flatten(0, 2), other.shape[2:4], mode="bilinear", align_corners=True)
    return larger.view(*places.shape[:3], *larger.shape[1:]).permute(0, 3, 4, 5, 1, 2)
