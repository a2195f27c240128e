"""Layers of "One-Shot Segmentation in Clutter" (Michaelis, Bethge, Ecker, ICML 2018): block, encoder, decoder.

The block is a convolution without bias, a layer norm over all of C, H, W with a shift per channel and no gain, and a
ReLU. Padding of even kernels follows TensorFlow's SAME: a 2x2 kernel pads bottom and right only; with dilation 2 it
pads every side by one.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.train.supervised import halved_at

EPSILON = 1e-12
"""Of the layer norm, in float32."""


def layer_norm(x: Tensor, shift: Tensor | None = None) -> Tensor:
    """Normalize each sample of (B, C, H, W) to mean 0 and variance 1, then add `shift` (C,); statistics in float32."""
    with torch.autocast(x.device.type, enabled=False):
        gain = None if shift is None else torch.ones_like(shift)
        return F.group_norm(x, 1, gain, shift, EPSILON)


class Block(nn.Module):
    """Convolution -> layer norm -> ReLU (or no ReLU, or no norm, for the logits)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, relu: bool = True, norm: bool = True) -> None:
        """Map (B, inputs, H, W) to (B, outputs, H, W); `kernel` is 1, 2 or 3."""
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=False)
        self.shift = nn.Parameter(torch.zeros(outputs))
        self.relu, self.norm = relu, norm
        initialize(self.conv.weight)

    def forward(self, x: Tensor, dilation: int = 1) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        return self.activate(convolve(x, self.conv.weight, dilation))

    def activate(self, x: Tensor) -> Tensor:
        """What follows the convolution: layer norm and ReLU, (B, outputs, H, W) -> the same shape."""
        x = layer_norm(x, self.shift) if self.norm else x + self.shift[:, None, None]
        return F.relu(x) if self.relu else x


def convolve(x: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    """Convolve (B, I, H, W) with (O, I, k, k) to (B, O, H, W); an odd pixel of padding goes to the bottom and right."""
    reach = (weight.shape[-1] - 1) * dilation
    before, after = reach // 2, reach - reach // 2
    if before != after:
        x = F.pad(x, (before, after, before, after))
    return F.conv2d(x, weight, padding=before if before == after else 0, dilation=dilation)


class Encoder(nn.Module):
    """Six blocks; a target is pooled to one cell, a scene keeps its cells by dilation from e5 on."""

    def __init__(self, channels: Sequence[int]) -> None:
        """`channels` of e1..e6."""
        super().__init__()
        c1, c2, c3, c4, c5, c6 = channels
        self.e1 = Block(3, c1, 3)
        self.e2 = Block(c1, c2, 3)
        self.e3 = Block(c2, c3, 3)
        self.e4 = Block(c3, c4, 3)
        self.e5 = Block(c4, c5, 2)
        self.e6 = Block(c5, c6, 1)

    def forward(self, scenes: Tensor) -> list[Tensor]:
        """Scenes (B, 3, 96, 96) -> the skips e1..e6, of sides 96, 48, 24, 12, 12, 12."""
        skips = self._first_four(scenes)
        skips.append(self.e5(skips[-1], dilation=2))
        skips.append(self.e6(skips[-1]))
        return skips

    def embed(self, targets: Tensor) -> Tensor:
        """Targets (B, 3, 32, 32) -> embeddings (B, c6), pooled before every block but the first."""
        x = self.e5(F.avg_pool2d(self._first_four(targets)[-1], 2))
        embedding: Tensor = self.e6(F.avg_pool2d(x, 2)).flatten(1)
        return embedding

    def _first_four(self, x: Tensor) -> list[Tensor]:
        skips = [self.e1(x)]
        for block in (self.e2, self.e3, self.e4):
            skips.append(block(F.avg_pool2d(skips[-1], 2)))
        return skips


class Decoder(nn.Module):
    """Six blocks from the matched embedding up to two logit maps, each fed a skip of the scene encoder too."""

    def __init__(self, channels: Sequence[int], kernels: Sequence[int], *, logit_norm: bool) -> None:
        """`channels` of e1..e6; `kernels` of d6, d5, d4, d3, d2, d1; `logit_norm`: layer norm on the logits too."""
        super().__init__()
        c1, c2, c3, c4, c5, c6 = channels
        half = (c4, c4, c4 // 2, c3 // 2, c2 // 2)
        self.d6 = Block(2 * c6, half[0], kernels[0])
        self.d5 = Block(half[0] + c5, half[1], kernels[1])
        self.d4 = Block(half[1] + c4, half[2], kernels[2])
        self.d3 = Block(half[2] + c3, half[3], kernels[3])
        self.d2 = Block(half[3] + c2, half[4], kernels[4])
        self.d1 = Block(half[4] + c1, 2, kernels[5], relu=False, norm=logit_norm)

    def forward(self, matched: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Matched embedding (B, c6, 12, 12) and the scene's e1..e6 -> logits (B, 2, 96, 96): background, target."""
        e1, e2, e3, e4, e5, e6 = skips
        x = self.d6(torch.cat([matched, e6], 1))
        x = self.d5(torch.cat([x, e5], 1))
        for block, skip in ((self.d4, e4), (self.d3, e3), (self.d2, e2)):
            x = F.interpolate(block(torch.cat([x, skip], 1)), scale_factor=2, mode="nearest")
        logits: Tensor = self.d1(torch.cat([x, e1], 1))
        return logits


@torch.no_grad()
def initialize(weight: Tensor) -> None:
    """Normal, truncated at two sigma, variance 2/n with n the mean of fan-in and fan-out (the authors' code)."""
    outputs, inputs, *kernel = weight.shape
    n = math.prod(kernel) * (inputs + outputs) / 2
    sigma = math.sqrt(2.6 / n)
    nn.init.trunc_normal_(weight, 0.0, sigma, -2 * sigma, 2 * sigma)


def published_schedule(*, samples: int, batch: int, learning_rate: float, epochs: int, decay: float) -> dict[str, Any]:
    """How section 4 trains every network, as keywords of `Supervised`.

    Adam with L2 `decay` on kernels; the rate is halved when E/2, 3E/4 and 7E/8 of E `epochs` are done, where the whole
    training counts as E.
    """
    return {
        "samples": samples,
        "batch": batch,
        "optimizer": lambda losses: torch.optim.Adam(
            weight_groups(losses, decay), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8
        ),
        "schedule": halved_at(epochs, epochs // 2, 3 * epochs // 4, 7 * epochs // 8),
    }


def weight_groups(module: nn.Module, decay: float) -> list[dict[str, object]]:
    """Parameter groups with L2 `decay` on convolution weights alone; shifts and vectors are exempt."""
    trained = [p for p in module.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
    ]
