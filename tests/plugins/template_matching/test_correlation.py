"""Correlation from counts, and overlaps over shifts."""

import numpy as np
import pytest
import torch

from plugins.template_matching.correlation import best_overlaps, best_overlaps_paired, correlation

CROPS = (torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(0)) < 0.3).float()
TEMPLATES = (torch.rand(4, 5, 7, generator=torch.Generator().manual_seed(1)) < 0.5).to(torch.uint8)
BOX = (-2, 2, -4, 2)


def plain_overlap(crop, template, window):
    best = 0.0
    lying = np.pad(crop.numpy(), 20)
    for down in range(-window, window + 1):
        for right in range(-window, window + 1):
            top, left = 20 + 6 + BOX[0] + down, 20 + 6 + BOX[2] + right
            best = max(best, float((lying[top : top + 5, left : left + 7] * template.numpy()).sum()))
    return best


def test_counts_give_pearsons_r():
    first, second = np.random.default_rng(0).random((2, 100)) < 0.3
    counts = [torch.tensor(int(x)) for x in ((first & second).sum(), first.sum(), second.sum())]
    assert float(correlation(*counts, 100)) == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_one_sided_correlation_favours_ink():
    overlap, template, candidate = torch.tensor([20, 20]), torch.tensor([20, 20]), torch.tensor([20, 60])
    assert correlation(overlap, template, candidate, 9216).argmax() == 0
    overlap = torch.tensor([14, 20])
    assert correlation(overlap, template, candidate, 9216).argmax() == 0
    assert correlation(overlap, template, candidate, 9216, "template").argmax() == 1


@pytest.mark.parametrize(("template", "candidate"), [(0, 5), (100, 5), (5, 0), (5, 100)])
def test_a_blank_picture_correlates_with_nothing(template, candidate):
    assert correlation(torch.tensor(0), torch.tensor(template), torch.tensor(candidate), 100) == -torch.inf


@pytest.mark.parametrize("window", [0, 2, 4])
def test_overlaps_equal_counting(window):
    found = best_overlaps(CROPS, TEMPLATES, BOX, window)
    expected = [[plain_overlap(crop, template, window) for template in TEMPLATES] for crop in CROPS]
    np.testing.assert_array_equal(found.numpy(), expected)


def test_all_shifts_are_a_window_wide_enough():
    expected = [[plain_overlap(crop, template, 13) for template in TEMPLATES] for crop in CROPS]
    np.testing.assert_array_equal(best_overlaps(CROPS, TEMPLATES, BOX, None).numpy(), expected)


@pytest.mark.parametrize("window", [3, None])
def test_pairs_equal_all_with_all(window):
    own = torch.stack([TEMPLATES, TEMPLATES.flip(0), TEMPLATES.flip(1)])
    found = best_overlaps_paired(CROPS, own, BOX, window)
    for row, crop, templates in zip(found, CROPS, own, strict=True):
        assert torch.equal(row, best_overlaps(crop[None], templates, BOX, window)[0])


def test_counts_are_exact_under_autocast():
    ink, template = torch.ones(1, 40, 40), torch.ones(1, 29, 31, dtype=torch.uint8)
    with torch.autocast("cpu", torch.bfloat16):
        assert best_overlaps(ink, template, (-14, 14, -15, 15), 1) == 29 * 31
        assert best_overlaps_paired(ink, template[None], (-14, 14, -15, 15), 1) == 29 * 31
