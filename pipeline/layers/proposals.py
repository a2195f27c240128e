"""MaskNet's proposals ("One-Shot Segmentation in Clutter", section 3.2): one segmentation a cell of the scene.

A proposal is the decoder's answer to a seed that is zero but at one of the 12 x 12 cells. All proposals of a scene
share its skips, and a convolution of a concatenation is the sum of two convolutions: what the skips add is computed
once a scene. The seed itself is two vectors (at its cell, elsewhere), and a 3x3 convolution of an image doubled by
nearest sampling is a transposed 4x4 one of the image itself. All of this is exact; the plain path is in the tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.clutter import EPSILON, Block, Decoder, Encoder, convolve

CELLS = 12
"""Cells along a side of the scene's embedding."""
AT_ONCE = {"cpu": 48, "cuda": 2400}
"""Proposals decoded side by side: what stays in a cache, what fills a card."""
Seeds = Literal["target", "heat"]


@dataclass(frozen=True)
class Scenes:
    """B scenes, encoded and ready to be decoded from any seeds."""

    cells: Tensor
    """(B, C, 12, 12): the scene's embedding."""
    decode: "SceneDecoder"


class Proposals(nn.Module):
    """The Siamese U-Net's encoders and decoder, decoding from one cell at a time."""

    def __init__(self, *, target: Encoder, scene: Encoder, decoder: Decoder, targeted: bool, seeds: Seeds) -> None:
        """A seed is the target's embedding; with `heat` times the cell's inner product with it (the authors' code,
        equal after layer norm but where it is 0); 1 in every channel if not `targeted`.
        """
        super().__init__()
        self.target, self.scene, self.decoder = target, scene, decoder
        self.targeted, self.seeds = targeted, seeds

    def look(self, scenes: Tensor) -> Scenes:
        """Encode scenes (B, 3, 96, 96) in [0, 1]."""
        skips = self.scene(scenes)
        return Scenes(skips[-1], SceneDecoder(self.decoder, skips))

    def forward(self, targets: Tensor, scenes: Scenes, cells: Tensor) -> Tensor:
        """Embedded targets (B, C) at cells (B, P), counted row by row -> logits (B, P, 2, 96, 96)."""
        seeds = targets.unsqueeze(1).expand(-1, cells.shape[1], -1)
        if not self.targeted:
            seeds = torch.ones_like(seeds)
        elif self.seeds == "heat":
            there = scenes.cells.flatten(2).transpose(1, 2).gather(1, cells.unsqueeze(2).expand_as(seeds))
            seeds = seeds * (there.float() * seeds.float()).sum(2, keepdim=True)
        return scenes.decode(seeds, cells)


def every_cell(scenes: Scenes) -> tuple[Tensor, ...]:
    """All 144 cells of each of B scenes, in pieces (B, P) that the device decodes at once."""
    cells = torch.arange(CELLS * CELLS, device=scenes.cells.device).expand(len(scenes.cells), -1)
    return torch.split(cells, max(1, AT_ONCE[cells.device.type] // len(cells)), 1)


def foreground(logits: Tensor) -> Tensor:
    """Probability (..., 96, 96) of the target from logits (..., 2, 96, 96), float32."""
    background, target = logits.float().unbind(-3)
    return torch.sigmoid(target - background)


@dataclass(frozen=True)
class _Layer:
    block: Block
    weight: Tensor
    """The half of the convolution that reads the decoder's own path."""
    skipped: Tensor
    """(B, 1, O, H, W): what the other half makes of the scene's skip."""


class SceneDecoder:
    """The decoder with the skips of B scenes put in: decodes any number of seeds a scene."""

    def __init__(self, decoder: Decoder, skips: Sequence[Tensor]) -> None:
        """Compute what `skips`, the scene's e1..e6, add to each layer of `decoder` (whose first kernel is 1x1)."""
        blocks = (decoder.d6, decoder.d5, decoder.d4, decoder.d3, decoder.d2, decoder.d1)
        self._layers = [_share(block, skip) for block, skip in zip(blocks, reversed(skips), strict=True)]

    def __call__(self, seeds: Tensor, cells: Tensor) -> Tensor:
        """Seeds (B, P, C) at cells (B, P), counted row by row -> logits (B, P, 2, 96, 96): background, target."""
        first, *others = self._layers
        x = _activate(first, plant(seeds, cells, first.weight))
        for layer in others[:2]:
            x = _activate(layer, _spread(convolve(x, layer.weight), cells))
        for layer in others[2:]:
            doubled = F.conv_transpose2d(x, merge(layer.weight), stride=2, padding=1)
            x = _activate(layer, _spread(doubled, cells))
        return _spread(x, cells)


def plant(seeds: Tensor, cells: Tensor, weight: Tensor) -> Tensor:
    """The 1x1 convolution `weight` (O, C, 1, 1) of layer-normed one-hot maps: (B, P, O, 12, 12).

    The map of a seed t (B, P, C) is t at its cell, 0 elsewhere; normalized it is (t - m) / s there, -m / s elsewhere.
    """
    with torch.autocast(seeds.device.type, enabled=False):
        t, matrix = seeds.float(), weight.flatten(1).float()
        count = CELLS * CELLS * t.shape[-1]
        mean = t.sum(-1, keepdim=True) / count
        scale = torch.rsqrt(t.square().sum(-1, keepdim=True) / count - mean.square() + EPSILON)
        everywhere = -mean * scale * matrix.sum(1)
        there = scale * (t @ matrix.T)
        place = F.one_hot(cells, CELLS * CELLS).view(*cells.shape, 1, CELLS, CELLS)
        return everywhere[..., None, None] + there[..., None, None] * place


def merge(weight: Tensor) -> Tensor:
    """The (I, O, 4, 4) kernel whose transposed convolution of stride 2 equals doubling, then 3x3 (O, I, 3, 3)."""
    flipped = weight.flip(2, 3).transpose(0, 1)
    return torch.stack([F.pad(flipped, (x, 1 - x, y, 1 - y)) for x in (0, 1) for y in (0, 1)]).sum(0)


def _share(block: Block, skip: Tensor) -> _Layer:
    weight = block.conv.weight
    own = weight.shape[1] - skip.shape[1]
    return _Layer(block, weight[:, :own], convolve(skip, weight[:, own:]).unsqueeze(1))


def _spread(x: Tensor, cells: Tensor) -> Tensor:
    """(B * P, ...) -> (B, P, ...)."""
    return x.view(*cells.shape, *x.shape[1:])


def _activate(layer: _Layer, x: Tensor) -> Tensor:
    """Add the skip's part to (B, P, O, H, W), then norm and ReLU: (B * P, O, H, W)."""
    return layer.block.activate((x.to(layer.skipped.dtype) + layer.skipped).flatten(0, 1))
