"""Metrics by hand: intersection over union with 0/0, the limit of localization, shares, and their errors."""

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.report.aggregates import aggregate, mean_iou, share, share_below
from pipeline.report.pooled import thresholds

OVERLAP = {
    "episode": np.array([0, 1, 1]),
    "positives": np.array([4, 0, 0]),
    "tp@0.3": np.array([3, 0, 0]),
    "fp@0.3": np.array([2, 0, 5]),
}


def test_iou_is_averaged_over_images_and_0_over_0_is_1() -> None:
    tally = mean_iou(OVERLAP, threshold=0.3)
    assert tally.value == pytest.approx((3 / 6 + 1 + 0) / 3)  # 3 hits, 1 miss, 2 false; both empty; all false
    assert tally.single() == {0: 0.5, 1: 0.5}


def test_localization_at_distance_5_is_wrong_and_at_4_99_right() -> None:
    columns = {"episode": np.arange(4), "distance": np.array([5.0, 4.99, np.nan, 0.0])}
    assert share_below(columns, pixels=5).value == 0.5


def test_share_of_right_choices() -> None:
    assert share({"episode": np.array([7, 8, 9]), "correct": np.array([1, 0, 0])}).value == pytest.approx(1 / 3)


def test_thresholds_are_sorted_numbers() -> None:
    assert thresholds({"tp@0.5": np.zeros(1), "tp@0.05": np.zeros(1), "fp@0.5": np.zeros(1)}) == [0.05, 0.5]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("mean_io", {"threshold": 0.3}, "did you mean 'mean_iou'"),
        ("mean_iou", {"treshold": 0.3}, "aggregate 'mean_iou' in suite.yaml"),
        ("mean_iou", {"threshold": 0.4}, "threshold 0.4 was not counted; counted: 0.3"),
    ],
)
def test_mistakes_are_named(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        aggregate(name, parameters, OVERLAP)
