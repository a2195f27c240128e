"""Grades of an IoU, and scores of masks counted by hand."""

import pytest
import torch

from pipeline.measures.mask_scores import graded, mask_scores


@pytest.mark.parametrize(
    ("iou", "grade"),
    [(0.0, 0), (0.5, 0), (0.501, 0.1), (0.55, 0.1), (0.7, 0.4), (0.9, 0.8), (0.95, 0.9), (0.951, 1), (0.97, 1), (1, 1)],
)
def test_the_staircase(iou, grade):
    assert float(graded(torch.tensor(iou, dtype=torch.float64))) == pytest.approx(grade)


def test_counts_by_hand():
    truth = torch.tensor([[[0, 0, 1, 1]]])
    scores = mask_scores(torch.tensor([[[0, 1, 1, 1]]]), truth, 2)
    assert scores.plain.tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2], abs=1e-5)
    assert scores.staircase.tolist() == pytest.approx([(0.1 + 0.4) / 2])  # 1/2 with the smoothing is just above 0.5
    assert scores.accuracy.tolist() == [0.75]


def test_a_class_that_is_nowhere_counts_as_found_and_one_that_is_missed_as_lost():
    truth = torch.zeros(1, 2, 2, dtype=torch.uint8)
    assert float(mask_scores(truth, truth, 5).plain) == pytest.approx(1)
    truth = torch.tensor([[[0, 0], [3, 3]]])
    assert float(mask_scores(torch.zeros_like(truth), truth, 4).plain) == pytest.approx((0.5 + 1 + 1 + 0) / 4, abs=1e-5)
