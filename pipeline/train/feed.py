"""Feeding a training: whole shards in shuffled order into a shuffle buffer, read ahead while the device works.

The order is one function of (seed, stage, epoch): shards are permuted, `BUFFER` of them at a time are read and their
episodes permuted among themselves, batches are cut from that sequence and an epoch's remainder is dropped. Any
position is reached without replaying what came before it.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

from pipeline.episodes import Arrays
from pipeline.errors import UserError
from pipeline.seeds import generator

BUFFER = 4
"""Shards in the shuffle buffer; as many again are read ahead."""


class Shards(Protocol):
    """What a feed reads: a rendered store, or a renderer that replays its jobs."""

    length: int
    shard: int

    def read_shard(self, index: int) -> Arrays:
        """All episodes of shard `index`."""


class Feed:
    """Batches of episodes for one stage of training."""

    def __init__(self, splits: Mapping[str, Shards], *, batch: int, seed: int, stage: str, readers: int = 2) -> None:
        """Feed `batch` episodes at a time from all of `splits` together; `readers` threads read shards."""
        self._splits = dict(splits)
        self._batch, self._seed, self._stage, self._readers = batch, seed, stage, readers
        self._shards = [(name, i) for name, s in splits.items() for i in range(-(-s.length // s.shard))]
        self._total = sum(split.length for split in splits.values())
        if self._total < batch:
            names = ", ".join(splits)
            raise UserError(
                f"{names} holds {self._total} episodes, fewer than a batch of {batch}: lower `batch`, raise budget"
            )

    @property
    def epoch(self) -> int:
        """Batches an epoch; the remainder is dropped."""
        return self._total // self._batch

    def batches(self, first: int, last: int, part: slice = slice(None)) -> Iterator[Arrays]:
        """Batches number `first` to `last` - 1 of the training; `part` is this rank's share of each batch."""
        number = first
        while number < last:
            epoch, inside = divmod(number, self.epoch)
            stop = min(self.epoch, inside + last - number)
            for arrays in self._epoch(epoch, inside, stop):
                yield {name: array[part] for name, array in arrays.items()}
            number += stop - inside

    def _epoch(self, epoch: int, first: int, last: int) -> Iterator[Arrays]:
        order = generator(self._seed, "order", self._stage, epoch).permutation(len(self._shards))
        groups = [[self._shards[i] for i in order[g : g + BUFFER]] for g in range(0, len(order), BUFFER)]
        sizes = [sum(self._size(shard) for shard in group) for group in groups]
        starts = list(itertools.accumulate(sizes, initial=0))
        wanted = [
            g for g in range(len(groups)) if starts[g + 1] > first * self._batch and starts[g] < last * self._batch
        ]
        rest: list[Arrays] = []
        skip = first * self._batch - starts[wanted[0]] if wanted else 0
        left = last - first
        with ThreadPoolExecutor(self._readers) as pool:
            pending: list[list[Future[Arrays]]] = []
            for position, g in enumerate(wanted):
                for ahead in wanted[position + len(pending) : position + 2]:
                    pending.append([pool.submit(self._splits[name].read_shard, i) for name, i in groups[ahead]])
                block = _concatenate([future.result() for future in pending.pop(0)])
                shuffle = generator(self._seed, "order", self._stage, epoch, g).permutation(sizes[g])[skip:]
                skip = 0
                rest_size = sum(_length(part) for part in rest)
                cut = 0
                while left and rest_size + len(shuffle) - cut >= self._batch:
                    take = self._batch - rest_size
                    piece = {name: array[shuffle[cut : cut + take]] for name, array in block.items()}
                    yield _concatenate([*rest, piece])
                    rest, rest_size, cut, left = [], 0, cut + take, left - 1
                if cut < len(shuffle):
                    rest.append({name: array[shuffle[cut:]] for name, array in block.items()})

    def _size(self, shard: tuple[str, int]) -> int:
        split = self._splits[shard[0]]
        return min(split.shard, split.length - shard[1] * split.shard)


def _length(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def _concatenate(parts: Sequence[Arrays]) -> Arrays:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
