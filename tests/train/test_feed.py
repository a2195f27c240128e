"""The feed's order: every episode once an epoch, one function of the seed, any position reached directly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.train.feed import BUFFER, Feed


class Numbers:
    """Shards whose episodes are their own numbers."""

    def __init__(self, length, shard, first=0):
        self.length, self.shard, self.first, self.reads = length, shard, first, []

    def read_shard(self, index):
        self.reads.append(index)
        start = index * self.shard
        return {"x": np.arange(start, min(start + self.shard, self.length)) + self.first}


def plain_order(length, shard, batch, seed, epoch):
    """The order, written out: what the feed must equal."""
    from pipeline.seeds import generator

    shards = [np.arange(s, min(s + shard, length)) for s in range(0, length, shard)]
    order = generator(seed, "order", "stage", epoch).permutation(len(shards))
    sequence = []
    for g, start in enumerate(range(0, len(order), BUFFER)):
        block = np.concatenate([shards[i] for i in order[start : start + BUFFER]])
        sequence.append(block[generator(seed, "order", "stage", epoch, g).permutation(len(block))])
    return np.concatenate(sequence)[: length // batch * batch].reshape(-1, batch)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 40), st.integers(1, 15), st.integers(0, 60), st.integers(1, 20))
def test_equals_the_plain_order_from_any_position(shards, shard, batch, first, count):
    length = shards * shard - shard // 2
    if length < batch:
        return
    feed = Feed({"a": Numbers(length, shard)}, batch=batch, seed=5, stage="stage")
    found = np.stack([b["x"] for b in feed.batches(first, first + count)])
    epochs = range((first + count) // feed.epoch + 1)
    wanted = np.concatenate([plain_order(length, shard, batch, 5, e) for e in epochs])[first : first + count]
    np.testing.assert_array_equal(found, wanted)


def test_an_epoch_shows_every_episode_once():
    feed = Feed({"a": Numbers(100, 10), "b": Numbers(60, 10, first=100)}, batch=16, seed=0, stage="s")
    seen = np.concatenate([b["x"] for b in feed.batches(0, feed.epoch)])
    assert sorted(seen) == list(range(160))


def test_starts_in_the_middle_without_reading_what_came_before():
    numbers = Numbers(1000, 10)
    feed = Feed({"a": numbers}, batch=10, seed=0, stage="s")
    next(iter(feed.batches(90, 91)))
    assert len(numbers.reads) <= 2 * BUFFER


def test_ranks_share_each_batch():
    feed = Feed({"a": Numbers(40, 10)}, batch=8, seed=0, stage="s")
    whole = [b["x"] for b in feed.batches(0, 5)]
    halves = [[b["x"] for b in feed.batches(0, 5, part)] for part in (slice(0, 4), slice(4, 8))]
    for batch, first, second in zip(whole, *halves, strict=True):
        np.testing.assert_array_equal(batch, np.concatenate([first, second]))


def test_a_batch_larger_than_the_data_is_one_line():
    with pytest.raises(UserError, match=r"holds 5 episodes, fewer than a batch of 8"):
        Feed({"clutter-n4/train": Numbers(5, 10)}, batch=8, seed=0, stage="s")
