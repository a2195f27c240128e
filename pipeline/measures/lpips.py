"""LPIPS v0.1 (Zhang et al., arXiv 1801.03924, equation 1): distances between many images at once.

Per layer, maps are scaled to unit length in every cell; their squared differences are weighted by channel, averaged
over cells, and summed over layers. That is one squared Euclidean distance between long vectors, so that a forward of
each image and a Gram matrix give all pairs, where comparing n images by pairs takes n (n - 1) forwards.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.measures.lpips_trunks import AlexTrunk, RandomTrunk, SqueezeTrunk, Trunk
from pipeline.measures.nets import Nets

EPSILON = 1e-10
"""Added to a cell's length before dividing by it."""
HELD = 2 << 30
"""Bytes of embeddings held at a time."""


class Lpips(nn.Module):
    """A trunk and its linear heads; a pixel becomes some 40 bytes of an embedding by AlexNet, 140 by SqueezeNet."""

    def __init__(self, trunk: Trunk, heads: Sequence[Tensor]) -> None:
        """Weights of the channels, one vector (C,) a map of the trunk; none is negative."""
        super().__init__()
        self.trunk = trunk
        sizes, wanted = [len(head) for head in heads], list(trunk.channels)
        if sizes != wanted or any(bool((head < 0).any()) for head in heads):
            raise UserError(
                f"LPIPS's heads have {sizes} weights where {type(trunk).__name__} has {wanted} channels, or some are "
                f"negative; delete data/raw/real/lpips.json and run snakemake"
            )
        for number, head in enumerate(heads):
            self.register_buffer(f"root{number}", head.detach().clone().sqrt())
        self.requires_grad_(False).eval()

    @torch.no_grad()
    def embed(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), nominally in [-1, 1] -> (B, D): LPIPS is the squared distance of two rows."""
        rows: list[Tensor] = []
        for number, maps in enumerate(self.trunk.maps(images)):
            cells = maps.shape[-2] * maps.shape[-1]
            length = maps.norm(dim=1, keepdim=True) + EPSILON
            weighted = maps / length * (self.get_buffer(f"root{number}") / cells**0.5)[:, None, None]
            rows.append(weighted.flatten(1))
        return torch.cat(rows, 1)


@dataclass(frozen=True)
class Distances:
    """Of n synthesized images, float64."""

    pairs: Tensor
    """(n, n), between each two of them."""
    train: Tensor
    """(n,), to the training image."""

    @property
    def diversity(self) -> float:
        """Mean over all pairs; NaN where there are fewer than two images."""
        n = len(self.train)
        return float(self.pairs.triu(1).sum() / (n * (n - 1) / 2)) if n > 1 else float("nan")


def distances(lpips: Lpips, images: Tensor, train: Tensor, *, batch: int = 8, held: int = HELD) -> Distances:
    """Images (n, 3, H, W) and the training image (3, H, W), nominally in [-1, 1].

    Embeddings are taken relative to the training image's, which leaves distances as they are, makes its own the squared
    lengths, and keeps their digits where all images are alike. Of more images than fit into `held` bytes, blocks are
    embedded again for each block before them.
    """
    origin = lpips.embed(train[None])
    size = origin.numel() * origin.element_size()
    block = len(images) if len(images) * size <= held else max(1, held // (2 * size))
    pairs = torch.zeros(len(images), len(images), dtype=torch.float64, device=images.device)
    for rows, first in _blocks(lpips, images, origin, block, 0, batch):
        pairs[rows, rows] = first @ first.T
        for columns, second in _blocks(lpips, images, origin, block, rows.stop, batch):
            pairs[rows, columns] = first @ second.T
            pairs[columns, rows] = pairs[rows, columns].T
    lengths = pairs.diagonal().clone()
    found = (lengths[:, None] + lengths - 2 * pairs).clamp(min=0)
    return Distances(pairs=found.fill_diagonal_(0), train=lengths)


def _blocks(
    lpips: Lpips, images: Tensor, origin: Tensor, block: int, start: int, batch: int
) -> Iterator[tuple[slice, Tensor]]:
    """Embeddings of the images from `start` on, `block` at a time, relative to `origin`."""
    for at in range(start, len(images), block):
        rows = slice(at, min(at + block, len(images)))
        found = origin.new_empty(rows.stop - at, origin.shape[1])
        for part, into in zip(torch.split(images[rows], batch), torch.split(found, batch), strict=True):
            torch.sub(lpips.embed(part), origin, out=into)
        yield rows, found


def best_of(nets: Nets) -> str:
    """The published AlexNet where it could be had, else SqueezeNet, else random convolutions."""
    if {"alexnet", "lpips_alex"} <= nets.keys():
        return "alexnet"
    return "squeezenet1_1" if {"squeezenet1_1", "lpips_squeeze"} <= nets.keys() else "random"


def lpips_net(nets: Nets) -> Lpips:
    """LPIPS on the network `best_of` names; the random one weighs all channels alike, with a sum of 1 a layer."""
    name = best_of(nets)
    if name == "alexnet":
        alex = AlexTrunk()
        alex.network.load_published(nets["alexnet"])
        return Lpips(alex, read_heads(nets["lpips_alex"]))
    if name == "squeezenet1_1":
        squeeze = SqueezeTrunk()
        squeeze.network.load_published(nets["squeezenet1_1"])
        return Lpips(squeeze, read_heads(nets["lpips_squeeze"]))
    trunk = RandomTrunk()
    return Lpips(trunk, [torch.full((channels,), 1 / channels) for channels in trunk.channels])


def read_heads(weights: Mapping[str, Tensor]) -> list[Tensor]:
    """Published heads, `lin0.model.1.weight` (1, C, 1, 1) and so on, as vectors."""
    names = [f"lin{number}.model.1.weight" for number in range(len(weights))]
    if any(name not in weights for name in names):
        raise UserError(
            f"LPIPS's heads should hold {names[0]} to {names[-1]}, found {', '.join(sorted(weights)[:3])}: delete "
            f"data/raw/real/lpips.json and run snakemake"
        )
    return [weights[name].flatten() for name in names]
