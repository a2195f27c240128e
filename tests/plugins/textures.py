"""Collages of procedural textures, made by the tests: two oriented band-pass noises a texture (specification, 8.1)."""

import torch
from torch import Tensor

from pipeline.segmenter import Batch, Frame, Supports

SIDE = 64


def bank(count: int, *, seed: int = 0) -> Tensor:
    """Textures (count, 3, 64, 64) in [0, 1], each on a colour of its own."""
    generator = torch.Generator().manual_seed(seed)
    frequency = torch.fft.fftfreq(SIDE)
    fy, fx = torch.meshgrid(frequency, frequency, indexing="ij")
    textures = torch.zeros(count, 3, SIDE, SIDE)
    for texture in textures:
        texture += torch.rand(3, 1, 1, generator=generator)
        for _ in range(2):
            radius = 0.06 + 0.3 * torch.rand((), generator=generator)
            angle = torch.pi * torch.rand((), generator=generator)
            away = (fy - radius * angle.sin()) ** 2 + (fx - radius * angle.cos()) ** 2
            mirrored = (fy + radius * angle.sin()) ** 2 + (fx + radius * angle.cos()) ** 2
            band = (-away / 0.002).exp() + (-mirrored / 0.002).exp()
            noise = torch.fft.ifft2(torch.fft.fft2(torch.randn(SIDE, SIDE, generator=generator)) * band).real
            direction = torch.randn(3, 1, 1, generator=generator)
            texture += 0.25 * (noise / noise.std()) * direction / direction.norm()
    return textures.clamp(0, 1)


def even_and_odd(generator: torch.Generator) -> Tensor:
    """An even and an odd texture (2, 3, 64, 64) of Julesz, Gilbert, Victor 1978 (Biol. Cybern. 31): black and white.

    The number of white pixels of every square of 2 x 2 is even in one and odd in the other. Colours, spectrum and all
    that three pixels can tell are those of white noise, in both.
    """
    rows, columns = ((torch.rand(SIDE, generator=generator) < 0.5) * 2 - 1 for _ in range(2))
    even = rows[:, None] * columns
    odd = even * (1 - 2 * (torch.arange(SIDE)[:, None] * torch.arange(SIDE) % 2))
    return (0.5 + 0.3 * torch.stack([even, odd]))[:, None].repeat(1, 3, 1, 1)


def collages(
    textures: Tensor,
    count: int,
    regions: int | range,
    patch: int,
    generator: torch.Generator,
    references: Tensor | None = None,
) -> Batch:
    """`count` episodes of Voronoi collages with so many regions (or a number drawn from a range) and their references.

    These are cut from the same pictures, or from `references`, which hold other pictures of the same textures.
    """
    supports, queries, masks = [], [], []
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")

    def below(high: int) -> int:
        return int(torch.randint(high, (), generator=generator))

    for _ in range(count):
        n = regions if isinstance(regions, int) else regions[below(len(regions))]
        anchors = torch.randint(SIDE, (n, 2), generator=generator)
        labels = ((y - anchors[:, 0, None, None]) ** 2 + (x - anchors[:, 1, None, None]) ** 2).argmin(0)
        drawn = torch.randperm(len(textures), generator=generator)[:n]
        seen = labels.unique()
        target = int(seen[below(len(seen))])
        queries.append(textures[drawn].permute(1, 0, 2, 3).gather(1, labels.expand(3, 1, -1, -1))[:, 0])
        masks.append((labels == target).to(torch.uint8))
        top, left = below(SIDE - patch + 1), below(SIDE - patch + 1)
        source = textures if references is None else references
        supports.append(source[drawn[target], :, top : top + patch, left : left + patch])
    support = Frame(_bytes(supports), torch.ones(count, patch, patch, dtype=torch.uint8), _names(count, "support"))
    query = Frame(_bytes(queries), torch.stack(masks), _names(count, "query"))
    return Batch(Supports((support,), 1), (query,))


def _bytes(pictures: list[Tensor]) -> Tensor:
    return (torch.stack(pictures) * 255).round().to(torch.uint8)


def _names(count: int, kind: str) -> tuple[str, ...]:
    return tuple(f"{b}/{kind}" for b in range(count))
