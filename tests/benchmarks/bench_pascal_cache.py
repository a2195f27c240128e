"""SG-One on a fold of PASCAL-5i at one and five shots: with what it remembers of images, and without.

Images are noise, a sixth of VOC's size a side, for a network of a sixteenth of the width; their number, how they share
classes and how episodes are drawn are fold 0's: 347 items in 346 images, 1,000 episodes of shuffled passes over the
items, in the order of their queries. The memory is bounded, to a part of what all images take. Every prediction is
compared bit by bit. Seconds are the process's own, on one thread: `python -m tests.benchmarks.bench_pascal_cache
[episodes]`.
"""

import random
import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.memory import Memory
from pipeline.segmenter import Frame, Segmenter, Supports
from plugins.sg_one.model import SgOne, build

ITEMS = {1: 80, 2: 59, 3: 85, 4: 58, 5: 65}
"""Items of each class of fold 0 (specification, 2.5); one image has two."""
EPISODES, SHOTS, SIZES = 1000, (1, 5), ((64, 84), (84, 64))
PARTS = (1.0, 0.5, 0.1)
"""Bounds of the memory, as parts of what the views of all images take."""


@dataclass(frozen=True)
class Item:
    """One class in one image."""

    image: int
    label: int
    mask: Tensor
    """(1, H, W) uint8."""


def benchmark(generator: torch.Generator) -> tuple[list[Tensor], list[Item]]:
    """Images (1, 3, H, W) uint8, and the items in them."""
    labels = [label for label, count in ITEMS.items() for _ in range(count)]
    places = [*range(len(labels) - 1), 0]  # the last item shares the first image
    sizes = [SIZES[place % 2] for place in range(len(labels) - 1)]
    images = [torch.randint(256, (1, 3, *size), dtype=torch.uint8, generator=generator) for size in sizes]
    masks = [(torch.rand(1, *sizes[place], generator=generator) > 0.7).byte() for place in places]
    return images, [Item(*item) for item in zip(places, labels, masks, strict=True)]


def episodes(items: list[Item], count: int) -> list[list[int]]:
    """Query and five supports of each episode, by their numbers among the items, ordered by the query's image."""
    draw, found, order = random.Random(1385), [], []
    while len(found) < count:
        if not order:
            order = draw.sample(range(len(items)), len(items))
        query = order.pop()
        others = [n for n, item in enumerate(items) if item.label == items[query].label and n != query]
        found.append([query, *draw.sample(others, max(SHOTS))])
    return sorted(found, key=lambda episode: items[episode[0]].image)


@torch.no_grad()
def evaluate(network: Segmenter, images: list[Tensor], items: list[Item], drawn: list[list[int]]) -> list[Tensor]:
    """Probabilities of every episode at one shot, then at five."""

    def frame(number: int, *, blind: bool = False) -> Frame:
        item = items[number]
        return Frame(images[item.image], None if blind else item.mask, (f"image{item.image}",))

    found = []
    for query, *others in drawn:
        supports = Supports(tuple(frame(number) for number in others), 1)
        for shots in SHOTS:
            (prediction,) = network.predict(network.adapt(supports.first(shots)), [frame(query, blind=True)])
            assert prediction.probabilities is not None
            found.append(prediction.probabilities)
    return found


def measured(network: SgOne, *task: list) -> tuple[list[Tensor], float, int]:
    """What `evaluate` finds, its seconds, and how often an image went through the trunk."""
    passes = []
    hook = network.query.register_forward_pre_hook(lambda *_: passes.append(1))
    start = time.process_time()
    found = evaluate(network, *task)
    seconds = time.process_time() - start
    hook.remove()
    return found, seconds, len(passes)


def main() -> None:
    """Print passes, seconds and their ratios for every bound; fail where a bit differs."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else EPISODES
    network = build(width=16).eval()
    images, items = benchmark(torch.Generator().manual_seed(0))
    drawn = episodes(items, count)
    with torch.no_grad():
        whole = sum(part.numel() * 4 for image in images for part in network.look(image))
    plain, seconds, passes = measured(network, images, items, drawn)
    print(f"{count} episodes, {len(images)} images; uncached: {passes} passes, {seconds:.1f} s", flush=True)
    for part in PARTS:
        network.memory = Memory(int(part * whole * 1.02))  # vectors and keys take room too
        found, cached_seconds, cached = measured(network, images, items, drawn)
        equal = all(a.equal(b) for a, b in zip(found, plain, strict=True))
        line = (
            f"memory of {part:.0%} of all views: {cached} passes ({passes / cached:.1f}x fewer), {cached_seconds:.1f} s"
        )
        print(f"{line} ({seconds / cached_seconds:.1f}x faster), bit-equal: {equal}", flush=True)
        if not equal:
            raise SystemExit("predictions differ from those of the uncached path")


if __name__ == "__main__":
    main()
