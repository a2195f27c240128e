"""LPIPS of all pairs by a Gram matrix against comparing pair by pair; SIFID by singular values against a matrix root.

Both ways in one run, on one thread, with random weights and features; seconds are the process's own. Comparing pairs is
timed on some of them, which cost all the same, and multiplied.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.measures.lpips import Lpips, distances
from pipeline.measures.lpips_trunks import AlexTrunk
from pipeline.measures.sifid import Reference, sifid
from tests.measures.plain_lpips import plain_lpips
from tests.measures.plain_sifid import plain_distance

ROUNDS = 3
IMAGES, HEIGHT, WIDTH, TIMED = 100, 96, 160, 60
"""Synthesized images, and how many of their 4,950 pairs are compared one by one."""
LAYERS = ((64, 189, 317), (192, 92, 156), (768, 22, 38))
"""InceptionV3's first three taps of an image of 384x640."""
DEEPEST = (2048, 10, 18)
"""The fourth, where a matrix root takes a minute or more: timed once."""


def seconds(way: Callable[[], object]) -> float:
    """CPU time."""
    start = time.process_time()
    way()
    return time.process_time() - start


def row(title: str, rounds: list[tuple[float, float]], goal: str) -> None:
    """Print the medians of the slow and the fast way and of their ratio, with its range."""
    slow, fast = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = [a / b for a, b in rounds]
    spread = f"{statistics.median(ratios):8.1f}x [{min(ratios):.1f} to {max(ratios):.1f}]"
    print(f"{title:46}{slow:10.3f} s{fast:10.3f} s{spread}  {goal}", flush=True)


def lpips_pairs() -> None:
    """All pairs of 100 images."""
    trunk = AlexTrunk()
    lpips = Lpips(trunk, [torch.rand(channels) for channels in trunk.channels])
    images = torch.rand(IMAGES, 3, HEIGHT, WIDTH) * 2 - 1
    one, other = torch.triu_indices(IMAGES, IMAGES, 1)[:, torch.randperm(IMAGES * (IMAGES - 1) // 2)[:TIMED]]
    pairs = IMAGES * (IMAGES - 1) // 2

    def by_pairs() -> Tensor:
        return torch.cat(
            [plain_lpips(lpips, images[a : a + 1], images[b : b + 1]) for a, b in zip(one, other, strict=True)]
        )

    found = distances(lpips, images, images[0])
    far = float((found.pairs[one, other].float() - by_pairs()).abs().max())
    rounds = [
        (seconds(by_pairs) * pairs / TIMED, seconds(lambda: distances(lpips, images, images[0]))) for _ in range(ROUNDS)
    ]
    row(f"LPIPS, {pairs:,} pairs of {HEIGHT}x{WIDTH}, AlexNet", rounds, f"must be 20x; apart by {far:.0e} at most")


def correlated(shape: tuple[int, int, int]) -> Tensor:
    """Features whose channels and neighbouring cells depend on each other."""
    mixed = torch.einsum("dc,chw->dhw", torch.randn(shape[0], shape[0]) / shape[0] ** 0.5, torch.randn(shape))
    return mixed.clamp(min=0)[None]


def sifid_layer(number: int, shape: tuple[int, int, int]) -> list[tuple[float, float]]:
    """One synthesized image against the real one, whose part is cached."""
    fake, real = correlated(shape), correlated(shape)
    reference = Reference([real])
    far = abs(float(sifid([fake], reference)) / plain_distance(fake[0], real[0]) - 1)
    rounds = [
        (seconds(lambda: plain_distance(fake[0], real[0])), seconds(lambda: sifid([fake], reference)))
        for _ in range(1 if shape == DEEPEST else ROUNDS)
    ]
    title = f"SIFID, layer {number}, {shape[0]} channels, {shape[1] * shape[2]:,} cells"
    row(title, rounds, f"apart by {far:.0e} of the distance")
    return rounds


def sifid_layers() -> None:
    """Each layer, and all four together."""
    layers = [sifid_layer(number, shape) for number, shape in enumerate((*LAYERS, DEEPEST), start=1)]
    slow, fast = ([sum(r[k % len(r)][way] for r in layers) for k in range(ROUNDS)] for way in (0, 1))
    row("SIFID, four layers", list(zip(slow, fast, strict=True)), "must be 10x")


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'':46}{'plain':>12}{'ours':>12}{'ratio':>9}, median of {ROUNDS} rounds")
    lpips_pairs()
    sifid_layers()


if __name__ == "__main__":
    main()
