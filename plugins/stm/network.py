"""The space-time memory network: write a frame with its masks into memory, read memory for another frame.

Oh, Lee, Xu, Kim, arXiv 1904.00607. A picture of 480x864 has 30x54 places, each a key of 128 and a value of 512 numbers.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from plugins.stm.decoder import Decoder
from plugins.stm.encoders import Encoder, MemoryEncoder
from plugins.stm.squeeze import SqueezeEncoder, SqueezeMemoryEncoder

Backbone = Literal["resnet50", "resnet18", "squeezenet"]

STRIDE = 16
CHUNK = 2048
"""Places of a query that look at memory at once: bounds the matrix of their weights."""
SURE = 1e-7
"""Probabilities stay this far from 0 and 1 before their odds are taken."""


class Entry(NamedTuple):
    """Memory of N objects over P places, of one frame or of several."""

    keys: Tensor
    """(N, Ck, P)."""
    values: Tensor
    """(N, Cv, P)."""


class KeyValue(nn.Module):
    """Two 3x3 convolutions side by side: 1024 -> 128 and 1024 -> 512 at full width."""

    def __init__(self, inputs: int, keys: int, values: int) -> None:
        """From `inputs` channels to `keys` and to `values`."""
        super().__init__()
        self.key = nn.Conv2d(inputs, keys, 3, padding=1)
        self.value = nn.Conv2d(inputs, values, 3, padding=1)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (N, C, h, w) -> keys (N, Ck, h, w), values (N, Cv, h, w)."""
        return self.key(maps), self.value(maps)


class Network(nn.Module):
    """38,925,570 parameters with ResNet-50 at full width."""

    def __init__(self, backbone: Backbone, *, width: int = 1) -> None:
        """All channels divided by `width`, but SqueezeNet's, whose published weights fit no other."""
        super().__init__()
        self.memory_encoder: MemoryEncoder | SqueezeMemoryEncoder
        self.query_encoder: Encoder | SqueezeEncoder
        if backbone == "squeezenet":
            self.memory_encoder, self.query_encoder = SqueezeMemoryEncoder(), SqueezeEncoder()
        else:
            self.memory_encoder = MemoryEncoder(backbone, width=width)
            self.query_encoder = Encoder(backbone, width=width)
        fine, middle, coarse = self.query_encoder.channels
        keys, values = 128 // width, 512 // width
        self.memory_key_value = KeyValue(coarse, keys, values)
        self.query_key_value = KeyValue(coarse, keys, values)
        self.decoder = Decoder(2 * values, (fine, middle), 256 // width)

    def memorize(self, images: Tensor, masks: Tensor) -> Entry:
        """Images (B, 3, H, W) of 0 to 255, masks (B, O, H, W) in [0, 1] -> memory of N = B O objects.

        What is in no object's mask is background; an object sees its own mask and the sum of the others'.
        """
        others = (masks.sum(1, keepdim=True) - masks).clamp(0, 1)
        maps = self.memory_encoder.look(padded(images), padded(masks), padded(others))
        key, value = self.memory_key_value(maps)
        return Entry(key.flatten(2), value.flatten(2))

    def segment(self, images: Tensor, memory: Entry) -> Tensor:
        """Images (B, 3, H, W) of 0 to 255 -> logits (B, 1 + O, H, W) of the background and each object."""
        maps = self.query_encoder(padded(images))
        key, value = self.query_key_value(maps.coarse)
        objects = len(memory.keys) // len(images)
        keys, values = (x.repeat_interleave(objects, 0) for x in (key, value))
        found = read(memory, keys.flatten(2)).view_as(values)
        logits = self.decoder(torch.cat([found, values], 1), maps.middle, maps.fine).float()
        probabilities = logits.softmax(1)[:, 1].unflatten(0, (len(images), objects))
        return aggregated(unpadded(probabilities, images.shape[-2], images.shape[-1]))


def joined(entries: Sequence[Entry]) -> Entry:
    """One memory of the places of all."""
    return Entry(torch.cat([e.keys for e in entries], -1), torch.cat([e.values for e in entries], -1))


def read(memory: Entry, keys: Tensor) -> Tensor:
    """Keys (N, Ck, Q) of a query's places -> for each the memory's values (N, Cv, Q), weighted by likeness.

    Equation 1: a softmax over all places of memory of the product of keys, divided by the root of Ck as in the code.
    """
    places, values = memory.keys.transpose(1, 2), memory.values.transpose(1, 2)
    parts = torch.split(keys.transpose(1, 2), CHUNK, 1)
    found = torch.cat([F.scaled_dot_product_attention(part, places, values) for part in parts], 1)
    return found.transpose(1, 2)


def aggregated(probabilities: Tensor) -> Tensor:
    """Objects' own probabilities (B, O, H, W) -> logits (B, 1 + O, H, W) whose softmax is their soft aggregation.

    Section 3.4: the background's probability is the product of what each object leaves; logits are log odds. For one
    object of probability p these are those of (1 - p, p), and the softmax p^2 / (p^2 + (1 - p)^2).
    """
    background = (1 - probabilities).prod(1, keepdim=True)
    return torch.cat([background, probabilities], 1).clamp(SURE, 1 - SURE).logit()


def padded(x: Tensor) -> Tensor:
    """(..., H, W) -> sides that are multiples of 16, zeros on both ends, one more below and to the right if odd."""
    left, top = _margin(x.shape[-1]), _margin(x.shape[-2])
    right, bottom = -x.shape[-1] % STRIDE - left, -x.shape[-2] % STRIDE - top
    return F.pad(x, (left, right, top, bottom))


def unpadded(x: Tensor, height: int, width: int) -> Tensor:
    """What `padded` had been given, of `height` and `width`."""
    top, left = _margin(height), _margin(width)
    return x[..., top : top + height, left : left + width]


def _margin(length: int) -> int:
    return (-length % STRIDE) // 2
