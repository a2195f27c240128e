"""Bootstrap intervals: reproducible, around the mean, and equal to drawing episodes one by one."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.report.aggregates import aggregate, share
from pipeline.report.interval import interval, resampled, resamples
from pipeline.report.tally import PART, Tally, difference


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


def of_supports(values: list[int], supports: list[str], part: int = 0) -> Tally:
    numbers = np.arange(len(values)) + part * PART
    return aggregate("share", {}, {"episode": numbers, "correct": np.array(values), "support": np.array(supports)})


def test_episodes_that_share_a_support_are_drawn_together() -> None:
    values, supports = [0, 1, 1, 0, 1, 0, 0, 1], list("abcdefgh")
    many = of_supports(values * 50, supports * 50)
    low, high = interval([many], 500)
    assert (low, high) == pytest.approx(interval([tally(values)], 500))
    alone = interval([tally(values * 50)], 500)
    assert high - low > 5 * (alone[1] - alone[0])
    assert interval([many.only(many.episodes[:200])], 500) == pytest.approx((low, high))
    gain = difference(many, of_supports([0] * 400, supports * 50))
    assert interval([gain], 500) == pytest.approx((low, high))


def test_runs_on_episodes_of_their_own_share_supports_of_which_one_may_lack_some() -> None:
    runs = [of_supports([1, 0, 1], ["a", "b", "c"]), of_supports([1, 1, 1], ["a", "c", "c"])]
    found = resampled([replace(run, finish=lambda total: total[..., 0]) for run in runs], 40)
    assert found.tolist() == [((a + c) + (a + 2 * c)) / 2 for a, _, c in resamples((3,), 40)]


def test_supports_are_drawn_within_their_part() -> None:
    both = [of_supports([1, 1, 1], ["a", "a", "b"]), of_supports([0, 0, 0], ["a", "b", "b"], part=1)]
    sums, episodes, supports = (
        np.concatenate([getattr(tally, name) for tally in both]) for name in ("sums", "episodes", "supports")
    )
    drawn = resampled([Tally(episodes, sums, lambda total: total[..., 1], supports)], 300)
    assert set(drawn.tolist()) == {4.0, 5.0, 6.0, 7.0, 8.0}  # 2 to 4 episodes of one, 2 to 4 of the other
