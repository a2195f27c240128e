"""Extra pairs for one video: standard augmentations of its first frame, synthetic pairs, or both (OSMIS, section 4.2).

How STM takes them is not in the paper; there are two ways. As memory: a few are entries that stay. By fine-tuning: a
copy of the network is trained on clips assembled from them and the first frame.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.standard import augmented
from pipeline.layers.vgg import MEAN
from plugins.stm.clips import LENGTH
from plugins.stm.network import Network
from plugins.stm.training import clip_loss

Pair = tuple[Tensor, Tensor]
"""Image (1, 3, H, W) uint8 and index mask (1, H, W) uint8."""


def generator_of(seed: int) -> torch.Generator:
    """Of the CPU; `seed` may have 64 bits."""
    return torch.Generator().manual_seed(seed % 2**63)


def entries(first: Pair, synthetic: Sequence[Pair], standard: bool, count: int, random: torch.Generator) -> list[Pair]:
    """`count` pairs of the first frame's size to be memorized beside it; none where neither kind is asked for.

    Synthetic pairs are distinct while they last. With both kinds each entry is of the first frame or of a synthetic
    pair with equal chances, and augmented.
    """
    if not synthetic and not standard:
        return []
    order = torch.randperm(len(synthetic), generator=random).tolist() or [0]
    found = []
    for number in range(count):
        real = not synthetic or (standard and float(torch.rand((), generator=random)) < 0.5)
        pair = first if real else fitted(synthetic[order[number % len(order)]], first)
        found.append(warped(pair, random) if standard else pair)
    return found


class Pool(NamedTuple):
    """What clips are assembled from."""

    first: Pair
    synthetic: Sequence[Pair]
    standard: bool
    """Whether each frame of a clip is augmented anew."""
    objects: int


def tuned(network: Network, pool: Pool, random: torch.Generator, *, iterations: int, learning_rate: float) -> Network:
    """A copy of `network` after Adam's steps on clips of the first frame and synthetic pairs, in random order.

    Frames of a clip are distinct pairs while there are as many. Batch norm stays as it was.
    """
    copy = deepcopy(network).requires_grad_(True)
    pairs = [pool.first, *(fitted(pair, pool.first) for pair in pool.synthetic)]
    for module in copy.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.requires_grad_(False)
    optimizer = torch.optim.Adam([p for p in copy.parameters() if p.requires_grad], lr=learning_rate)
    with torch.enable_grad():
        for _ in range(iterations):
            order = torch.randperm(len(pairs), generator=random).tolist() * LENGTH
            clip = [warped(pairs[n], random) if pool.standard else pairs[n] for n in order[:LENGTH]]
            images, masks = torch.stack([p[0] for p in clip], 1), torch.stack([p[1] for p in clip], 1)
            optimizer.zero_grad(set_to_none=True)
            clip_loss(copy, images, masks, pool.objects)[0].backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return copy.requires_grad_(False)


def warped(pair: Pair, random: torch.Generator) -> Pair:
    """Flipped, turned and scaled; the border is the mean colour."""
    return augmented(*pair, random, border=[255 * value for value in MEAN])


def fitted(pair: Pair, first: Pair) -> Pair:
    """Of the size of the first frame: image bilinear, mask nearest."""
    return resized(pair, (first[1].shape[-2], first[1].shape[-1]))


def resized(pair: Pair, size: tuple[int, int]) -> Pair:
    """Of `size` (height, width): image bilinear, mask nearest."""
    image, mask = pair
    if mask.shape[-2:] == size:
        return pair
    seen = F.interpolate(image.float(), size, mode="bilinear", antialias=True).round().clamp(0, 255).to(torch.uint8)
    return seen, F.interpolate(mask.unsqueeze(1), size, mode="nearest-exact")[:, 0]
