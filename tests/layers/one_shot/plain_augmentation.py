"""Feature augmentation by loops and conditions, sample by sample and try by try, on the same draws as the fast one.

Every function draws what the fast one draws, in the same order, so that equal seeds must give equal features.
"""

import torch
from torch import Tensor

from pipeline.layers.one_shot.rectangles import Rectangles, draw

CPU = torch.device("cpu")
TRIES = 5


def area(r: Rectangles, *index: int) -> tuple[slice, slice]:
    top, bottom, left, right = (int(side[index]) for side in r)
    return slice(top, bottom), slice(left, right)


def overlap(one: tuple[slice, slice], two: tuple[slice, slice]) -> bool:
    return all(max(a.start, b.start) < min(a.stop, b.stop) for a, b in zip(one, two, strict=True))


def chosen(count: int, channels: int) -> list[list[int]]:
    shares = 0.1 + 0.2 * torch.rand(count, 1)
    ranks = torch.rand(count, channels).argsort(1).argsort(1)
    return [[c for c in range(channels) if ranks[i, c] < int(shares[i, 0] * channels)] for i in range(count)]


def content(vectors: Tensor, probability: float, one_way: bool) -> Tensor:
    found = vectors.clone()
    mix, drop = (torch.rand(2) < probability).tolist()
    subsets = chosen(len(vectors) // 2, vectors.shape[1])
    for pair, subset in enumerate(subsets):
        a, b = 2 * pair, 2 * pair + 1
        if mix:
            found[a, subset] = vectors[b, subset]
            if not one_way:
                found[b, subset] = vectors[a, subset]
    dropped = chosen(1, vectors.shape[1])[0]
    if drop:
        found[:, dropped] = 0
    return found


def layout(features: Tensor, probability: float) -> Tensor:
    found, pairs = features.clone(), len(features) // 2
    rectangles = draw((pairs,), features.shape[-2:], CPU)[0]
    active = torch.rand(pairs) < probability
    for pair in range(pairs):
        if active[pair]:
            where = (slice(None), *area(rectangles, pair))
            found[2 * pair][where] = features[2 * pair + 1][where]
            found[2 * pair + 1][where] = features[2 * pair][where]
    return found


def masked_layout(features: Tensor, masks: Tensor, probability: float, quirks: bool) -> Tensor:
    both = torch.cat([features, masks], 1)
    channels = features.shape[1]
    _mix(both, channels, probability, quirks)
    _swap(both, channels, probability)
    _paste(both, channels, probability)
    _move(both, channels, probability, quirks)
    return both[:, :channels]


def _touches(both: Tensor, channels: int, sample: int, where: tuple) -> bool:
    return float(both[sample, channels + 1 :].detach().sum(0)[where].sum()) >= 0.01


def _mix(both: Tensor, channels: int, probability: float, quirks: bool) -> None:
    before = both.clone()
    target, source = draw((len(both), TRIES), both.shape[-2:], CPU)
    active = torch.rand(len(both)) < probability
    for b in range(len(both)):
        for t in range(TRIES):
            one, two = area(target, b, t), area(source, b, t)
            asked = t % len(both) if quirks else b
            if overlap(one, two) or any(_touches(before, channels, asked, r) for r in (one, two)):
                continue
            if active[b]:
                both[b][(slice(None), *one)] = before[b][(slice(None), *two)]
            break


def _swap(both: Tensor, channels: int, probability: float) -> None:
    pairs, before = len(both) // 2, both.clone()
    rectangles = draw((pairs, TRIES), both.shape[-2:], CPU)[0]
    active = torch.rand(pairs) < probability
    for pair in range(pairs):
        a, b = 2 * pair, 2 * pair + 1
        for t in range(TRIES):
            where = area(rectangles, pair, t)
            if any(_touches(before, channels, sample, where) for sample in (a, b)):
                continue
            if active[pair]:
                both[a][(slice(None), *where)] = before[b][(slice(None), *where)]
                both[b][(slice(None), *where)] = before[a][(slice(None), *where)]
            break


def _paste(both: Tensor, channels: int, probability: float) -> None:
    pairs = len(both) // 2
    kinds = torch.randint(both.shape[1] - channels - 1, (pairs,)) + 1
    active = torch.rand(pairs) < probability
    for pair in range(pairs):
        region = both[2 * pair, channels + kinds[pair]] > 0.5
        if active[pair] and not _touches(both, channels, 2 * pair + 1, region):
            both[2 * pair + 1][:, region] = both[2 * pair][:, region]


def _move(both: Tensor, channels: int, probability: float, quirks: bool) -> None:
    batch, (height, width) = len(both), both.shape[-2:]
    kinds = both.shape[1] - channels - 1
    order = torch.rand(batch, kinds).argsort(1) + 1
    count = torch.randint(1, kinds + 1, (batch,))
    for turn in range(kinds):
        places = torch.rand(batch, TRIES), torch.rand(batch, TRIES)
        doubles, removes = torch.rand(2, batch) < probability
        for b in range(1 if quirks else batch):
            region = both[b, channels + order[b, turn]] > 0.5
            if turn >= count[b] or not region.any():
                continue
            rows, columns = region.any(1).nonzero()[:, 0], region.any(0).nonzero()[:, 0]
            tall, wide = int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
            for t in range(TRIES):
                top = min(int(places[0][b, t] * (height - tall + 1)), height - tall)
                left = min(int(places[1][b, t] * (width - wide + 1)), width - wide)
                moved = torch.zeros_like(region)
                old = slice(int(rows[0]), int(rows[0]) + tall), slice(int(columns[0]), int(columns[0]) + wide)
                new = slice(top, top + tall), slice(left, left + wide)
                moved[new] = region[old]
                if _touches(both, channels, b, moved):
                    continue
                if doubles[b]:
                    both[b][:, moved] = both[b][:, region]
                if removes[b]:
                    both[b][(slice(None), *old)] = both[b][(slice(None), *new)].clone()
                break
