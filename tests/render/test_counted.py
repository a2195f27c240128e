"""Counted random numbers inside compiled code."""

import numpy as np
import pytest

from pipeline.render.counted import below, draw_distinct, episode_keys, next_bits, uniform
from pipeline.seeds import derive


def test_bits_are_those_of_splitmix64() -> None:
    stream = np.array([1234567], np.uint64)
    assert [int(next_bits(stream)) for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_an_episode_starts_at_its_leaf_of_the_seed_tree() -> None:
    keys = episode_keys(3, "colltex", "test", 5, 4)
    assert keys.tolist() == [derive(3, "episodes", "colltex", "test", i) for i in range(5, 9)]


@pytest.mark.parametrize("count", [1, 2, 10, 193])
def test_integers_are_uniform(count: int) -> None:
    stream = np.zeros(1, np.uint64)
    found = np.bincount([below(stream, count) for _ in range(200 * count)], minlength=count)
    assert len(found) == count
    assert ((found - 200) ** 2 / 200).sum() < count + 5 * np.sqrt(2 * count)


def test_reals_fill_their_range() -> None:
    stream = np.zeros(1, np.uint64)
    found = np.array([uniform(stream, -100.0, 100.0) for _ in range(4000)])
    assert -100 <= found.min() < -98
    assert 98 < found.max() < 100
    assert abs(found.mean()) < 4


def test_distinct_integers_are_a_shuffle_of_all_where_all_are_asked_for() -> None:
    chosen, stream = np.empty(20, np.int64), np.zeros(1, np.uint64)
    draw_distinct(stream, 20, chosen)
    assert sorted(chosen.tolist()) == list(range(20))
