"""5-way one-shot episodes."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.render.omniglot_5way import choose, renderer


def test_supports_are_five_characters_and_the_query_another_drawing_of_one(omniglot: Path) -> None:
    drawn = renderer(split="test", sources={"omniglot": omniglot})
    arrays = drawn.shard(2, 12)
    for row in range(12):
        classes, drawers, answer, drawer = choose(2 * drawn.layout.shard + row, 8)
        assert len(set(classes.tolist())) == 5
        assert drawer != drawers[answer]
        for k in range(5):
            mask = arrays["support_masks"][row, k]
            assert set(np.unique(mask)) == {0, k + 1}
            assert np.array_equal(arrays["support_images"][row, k, ..., 0], np.where(mask > 0, 255, 0))
        assert set(np.unique(arrays["query_masks"][row])) == {0, answer + 1}
        assert np.array_equal(arrays["query_images"][row, 0, ..., 2] > 0, arrays["query_masks"][row, 0] > 0)


def test_choices_are_even() -> None:
    chosen = [choose(episode, 20) for episode in range(3000)]
    answers = np.bincount([answer for _, _, answer, _ in chosen])
    drawers = np.bincount([drawer for *_, drawer in chosen], minlength=20)
    assert np.abs(answers / answers.mean() - 1).max() < 0.15
    assert np.abs(drawers / drawers.mean() - 1).max() < 0.4
    assert {int(c) for classes, *_ in chosen for c in classes} == set(range(20))


def test_a_shorter_shard_is_a_prefix(omniglot: Path) -> None:
    drawn = renderer(split="test", sources={"omniglot": omniglot})
    long, short = drawn.shard(0, 5), drawn.shard(0, 3)
    assert all(np.array_equal(long[name][:3], array) for name, array in short.items())


def test_unknown_split(omniglot: Path) -> None:
    with pytest.raises(UserError, match="no split 'train'"):
        renderer(split="train", sources={"omniglot": omniglot})
