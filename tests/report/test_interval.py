"""Bootstrap intervals: reproducible, around the mean, and equal to drawing episodes one by one."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.report.aggregates import share
from pipeline.report.interval import interval, resamples
from pipeline.report.tally import PART, Tally


def tally(values: list[int]) -> Tally:
    return share({"episode": np.arange(len(values)), "correct": np.array(values)})


def test_interval_contains_the_mean_and_reproduces() -> None:
    values = tally([1, 0, 1, 1, 0, 1, 0, 1] * 20)
    low, high = interval([values], 200)
    assert low < values.value < high
    resamples.cache_clear()
    assert interval([values], 200) == (low, high)


def test_interval_is_as_wide_as_theory_says() -> None:
    low, high = interval([tally([0, 1] * 500)], 1000)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 1000), rel=0.1)


def test_rows_of_an_episode_and_seeds_go_together() -> None:
    columns = {"episode": np.array([0, 0, 1, 2, 2, 2]), "correct": np.array([1, 0, 1, 0, 0, 1])}
    seeds = [share(columns), share({**columns, "correct": np.array([1, 1, 1, 1, 1, 0])})]
    slow = []
    for times in resamples((3,), 40):
        drawn = np.repeat([0, 1, 2], times.astype(int))
        rows = np.concatenate([np.flatnonzero(columns["episode"] == episode) for episode in drawn])
        slow.append((columns["correct"][rows].mean() + np.array([1, 1, 1, 1, 1, 0])[rows].mean()) / 2)
    assert interval(seeds, 40) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))


def test_each_resample_draws_as_many_episodes_as_there_are() -> None:
    assert (resamples((17,), 9).sum(axis=1) == 17).all()


def test_episodes_of_several_parts_are_drawn_within_their_part_and_differently() -> None:
    times = resamples((17, 0, 17), 9)
    assert (times[:, :17].sum(axis=1) == 17).all()
    assert (times[:, 17:].sum(axis=1) == 17).all()
    assert not np.array_equal(times[:, :17], times[:, 17:])
    assert np.array_equal(times[:, :17], resamples((17,), 9))  # paired with the first part scored alone
    columns = {"episode": np.array([0, 1, PART, 2 * PART]), "correct": np.array([1, 0, 1, 1])}
    assert share(columns).sizes == (2, 1, 1)


def test_seeds_on_different_episodes_are_refused() -> None:
    with pytest.raises(UserError, match="different episodes"):
        interval([tally([1, 0]), tally([1, 0, 1])], 10)
