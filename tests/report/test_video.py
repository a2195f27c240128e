"""J and F of video objects by hand: what is left out, bins of the decay, and objects that weigh alike."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.report.aggregates import aggregate
from pipeline.report.tally import Arrays
from pipeline.report.video import contours, decay, quarters, recall, regions

METRICS = ("j_mean", "j_recall", "j_decay", "f_mean", "f_recall", "f_decay", "j_and_f")


def counted(rows: list[tuple[int, int, int, int]]) -> Arrays:
    """Columns of rows (episode, query, object, percent of J and of F)."""
    episode, query, number, percent = np.array(rows).T
    hundred = np.full_like(percent, 100)
    both = {"predicted": hundred, "precise": percent, "boundary": hundred, "recalled": percent}
    return {"episode": episode, "query": query, "object": number, "intersection": percent, "union": hundred, **both}


def test_decay_of_48_frames_has_the_official_bins() -> None:
    assert quarters(48) == [0, 12, 24, 35, 47]
    values = np.zeros(48)
    values[:13] = 1  # ends belong to the quarter
    assert decay(values) == 1
    values[35] = 1
    assert decay(values) == 1 - 1 / 13


def test_decay_of_very_long_and_very_short_sequences() -> None:
    assert quarters(1001) == [0, 250, 500, 750, 1000]  # the official bins wrap at 256 frames
    assert (quarters(1), decay(np.ones(1))) == ([0] * 5, 0)


def test_recall_is_strictly_above_one_half() -> None:
    assert recall(np.array([0.5, 0.51, 0.0, 1.0])) == 0.5


def test_empty_masks_and_boundaries() -> None:
    names = ("intersection", "union", "predicted", "precise", "boundary", "recalled")
    rows = [(0, 0, 0, 0, 0, 0), (0, 9, 8, 0, 0, 0), (0, 9, 0, 0, 8, 0), (0, 9, 8, 0, 8, 0), (6, 9, 8, 4, 6, 6)]
    columns = dict(zip(names, np.array(rows).T, strict=True))
    assert regions(columns).tolist() == [1, 0, 0, 0, 6 / 9]
    assert contours(columns).tolist() == [1, 0, 0, 0, pytest.approx(2 * 0.5 / 1.5)]


def test_truth_against_itself_is_1_1_0() -> None:
    columns = counted([(e, q, o, 100) for e in range(2) for q in range(6) for o in (1, 2)])
    found = [aggregate(name, {}, columns).value for name in METRICS]
    assert found == [1, 1, 0, 1, 1, 0, 1]


def test_every_object_weighs_alike_and_the_last_frame_is_left_out() -> None:
    """Two objects in one sequence, one in a shorter one; rows in any order."""
    rows = [(0, 0, 1, 80), (0, 1, 1, 60), (0, 2, 1, 0), (0, 0, 2, 10), (0, 1, 2, 30), (0, 2, 2, 0), (5, 0, 1, 90), (5, 1, 1, 0)]  # fmt: skip
    columns = counted([rows[i] for i in (3, 7, 0, 5, 1, 6, 2, 4)])
    tally = aggregate("j_mean", {}, columns)
    assert tally.value == pytest.approx((0.7 + 0.2 + 0.9) / 3)
    assert tally.single() == {0: pytest.approx(0.45), 5: pytest.approx(0.9)}
    assert aggregate("j_recall", {}, columns).value == pytest.approx((1 + 0 + 1) / 3)
    assert aggregate("f_decay", {}, columns).value == pytest.approx((0.2 - 0.2 + 0) / 3)
    assert aggregate("j_and_f", {}, columns).value == pytest.approx((0.7 + 0.2 + 0.9) / 3)


def test_a_sequence_that_is_drawn_twice_counts_with_all_its_objects() -> None:
    tally = aggregate("j_mean", {}, counted([(0, 0, 1, 80), (0, 0, 2, 40), (0, 1, 1, 0), (0, 1, 2, 0), (1, 0, 1, 90), (1, 1, 1, 0)]))  # fmt: skip
    assert tally.finish(np.array([[2.0, 1.0]]) @ tally.sums) == pytest.approx((2 * 0.8 + 2 * 0.4 + 0.9) / 5)


def test_a_sequence_of_which_one_query_is_annotated_counts_for_nothing_beside_others() -> None:
    tally = aggregate("j_mean", {}, counted([(0, 0, 1, 10), (2, 0, 1, 80), (2, 1, 1, 0), (5, 0, 1, 20)]))
    assert tally.single() == {2: pytest.approx(0.8)}


def test_sequences_of_two_frames_alone_have_none_to_score() -> None:
    with pytest.raises(UserError, match="annotate 3 frames or more"):
        aggregate("f_mean", {}, counted([(0, 0, 1, 80)]))


def test_where_all_annotated_sequences_failed_none_is_scored() -> None:
    forgotten = {name: np.array([]) for name in counted([(0, 0, 1, 80)])}
    assert not len(aggregate("j_and_f", {}, forgotten).episodes)
