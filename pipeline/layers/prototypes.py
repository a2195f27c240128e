"""Segmentation by prototypes: the class of a place is that of the most similar mean feature (PANet, arXiv 1908.06391).

The network is whatever embeds images; nothing else has parameters.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.embedders import Embedder
from pipeline.layers.masked_pooling import cosine_map, masked_mean
from pipeline.layers.one_by_one import OneByOne
from pipeline.segmenter import Frame

SCALE = 20.0
"""What cosines are multiplied by before the softmax: alpha."""


class Vectors(NamedTuple):
    """Mean features of the background, first, and of each object."""

    means: Tensor
    """(1 + O, C)."""
    shown: Tensor
    """(1 + O,) bool: whether there was anything to take the mean of."""


class PrototypeSegmenter(OneByOne[Vectors]):
    """Compares every place of the query with prototypes of background and objects."""

    def __init__(self, embedder: Embedder, *, side: int) -> None:
        """Images are warped to squares of `side` pixels before they are embedded."""
        super().__init__()
        self.embedder, self.side = embedder, side
        self.trunk = embedder.trunk

    def embed(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) uint8 -> features (B, C, h, w)."""
        if images.shape[-2:] == (self.side, self.side):
            found: Tensor = self.embedder(images)
        else:
            square = (self.side, self.side)
            found = self.embedder(F.interpolate(images.float(), square, mode="bilinear", antialias=True))
        return found

    def pool(self, features: Tensor, masks: Tensor, numbers: Sequence[int]) -> Tensor:
        """Means of features (B, C, h, w) under each of `numbers` in masks (B, H, W) -> (B, len(numbers), C)."""
        return torch.stack([masked_mean(features, masks == number) for number in numbers], 1)

    def compare(self, features: Tensor, prototypes: Tensor) -> Tensor:
        """Features (B, C, h, w) with prototypes (B, N, C) -> logits (B, N, h, w) float32: 20 times the cosines."""
        return SCALE * torch.stack([cosine_map(features, vectors) for vectors in prototypes.unbind(1)], 1)

    def learn(self, supports: Sequence[Frame], objects: int) -> Vectors:
        """The mean of the prototypes of the supports that show the object, or background."""
        return _mean([self._vectors(frame, objects) for frame in supports])

    def answer(self, known: Vectors, query: Frame) -> Tensor:
        """A softmax over background and objects, (1, O, H, W); 0 for an object that no support shows.

        What is not shown has no chance, a background that is not a cosine of 0.
        """
        logits = self.compare(self._features(query), known.means.unsqueeze(0))
        absent = torch.where(known.shown, 0.0, -torch.inf)
        absent[0] = 0
        larger = enlarged(logits, (query.images.shape[-2], query.images.shape[-1]))
        return (larger + absent[None, :, None, None]).softmax(1)[:, 1:]

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the trunk came."""
        super().load_weights(weights)
        self.trunk = self.embedder.trunk

    def _features(self, frame: Frame) -> Tensor:
        return self.remember("features", frame, lambda: self.embed(frame.images))

    def _vectors(self, frame: Frame, objects: int) -> Vectors:
        """Of one support; void is neither object nor background."""
        masks, numbers = frame.masks, range(objects + 1)
        assert masks is not None
        means = self.remember(
            f"prototypes of {objects}",
            frame,
            lambda: self.pool(self._features(frame), masks, numbers)[0],
            masks=True,
        )
        return Vectors(means, torch.stack([(masks == number).any() for number in numbers]))


def enlarged(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Logits (B, N, h, w) -> (B, N, *size), bilinearly."""
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


def _mean(found: Sequence[Vectors]) -> Vectors:
    """The mean of the vectors that are shown; 0 where none is."""
    shown = torch.stack([vectors.shown for vectors in found])
    means = torch.stack([vectors.means for vectors in found]) * shown.unsqueeze(2)
    return Vectors(means.sum(0) / shown.sum(0).clamp(min=1).unsqueeze(1), shown.any(0))
