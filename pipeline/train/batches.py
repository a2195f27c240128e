"""Where a training's batches come from: the splits of its training set, shuffled and read ahead."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
import torch.distributed as dist

from pipeline.collate import Collation
from pipeline.errors import UserError
from pipeline.segmenter import Batch
from pipeline.stage import Stage
from pipeline.train.ahead import ahead
from pipeline.train.feed import Feed, Shards

Batches = Callable[[Stage, int, int], Iterator[Batch]]
"""(stage, first, last) -> its batches number `first` to `last` - 1 on the device, this rank's share of each."""


class SplitBatches:
    """Batches of episodes from train splits; their order is one function of (seed, stage, epoch)."""

    def __init__(
        self,
        splits: Mapping[str, tuple[Shards, Mapping[str, Any]]],
        *,
        seed: int,
        device: torch.device,
        image_cache: int = 0,
    ) -> None:
        """`splits` holds each train split's shards and attributes; `image_cache` bytes of decoded images are kept."""
        self._splits, self._seed, self._device, self._image_cache = splits, seed, device, image_cache

    def __call__(self, stage: Stage, first: int, last: int) -> Iterator[Batch]:
        """The batches of one stage; `UserError` where a batch does not divide by the ranks."""
        names = stage.data or tuple(self._splits)
        attributes = self._splits[names[0]][1]
        collation = Collation(attributes, self._device, image_cache=self._image_cache)
        shards = {name: self._splits[name][0] for name in names}
        feed = Feed(shards, batch=stage.batch, seed=self._seed, stage=stage.name)
        share, rest = divmod(stage.batch, world())
        if rest:
            raise UserError(f"a batch of {stage.batch} does not divide by {world()} ranks: change `batch` or `ranks`")
        part = slice(rank() * share, (rank() + 1) * share)
        for prepared in ahead(collation.prepare(arrays) for arrays in feed.batches(first, last, part)):
            yield collation.finish(prepared)


def rank() -> int:
    """Number of this process among those of one training."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1
