"""Toy plugins, and random episodes for them: what the contracts are proven on before any real plugin."""

import sys
from pathlib import Path

import torch

from pipeline.segmenter import VOID, Batch, Frame, Supports

TOYS = Path(__file__).resolve().parent / "plugins"
sys.path.append(str(TOYS.parent))  # `plugins` is a namespace package: toys join the real ones


def random_batch(
    *,
    supports,
    queries,
    objects=1,
    void=False,
    empty_support=False,
    whole_support=False,
    one_each=False,
    batch=2,
    seed=0,
) -> Batch:
    """Episodes of noise on black with rectangles as objects; `supports` and `queries` list (height, width)."""
    generator = torch.Generator().manual_seed(seed)

    def frame(size, numbers, name):
        height, width = size
        images = torch.zeros(batch, 3, height, width, dtype=torch.uint8)
        masks = torch.zeros(batch, height, width, dtype=torch.uint8)
        for b in range(batch):
            for number in numbers:
                top = int(torch.randint(0, height // 2, (), generator=generator))
                left = int(torch.randint(0, width // 2, (), generator=generator))
                masks[b, top : top + height // 3, left : left + width // 3] = number
                colour = torch.randint(40, 255, (3, 1, 1), generator=generator, dtype=torch.uint8)
                images[b, :, top : top + height // 3, left : left + width // 3] = colour
            if void:
                masks[b, :2] = VOID
        return Frame(images, masks, tuple(f"{name}/{b}" for b in range(batch)))

    everything = list(range(1, objects + 1))
    shown = [[k % objects + 1] if one_each else everything for k in range(len(supports))]
    frames = [
        frame(size, numbers, f"support{k}") for k, (size, numbers) in enumerate(zip(supports, shown, strict=True))
    ]
    if empty_support:
        frames[0].masks.zero_()
    if whole_support:
        frames[0].masks.fill_(1)
    return Batch(
        Supports(tuple(frames), objects), tuple(frame(s, everything, f"query{q}") for q, s in enumerate(queries))
    )
