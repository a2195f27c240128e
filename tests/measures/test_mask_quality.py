"""Mask quality: its loss by hand, its sizes, and that it tells fitting masks from others, in both directions."""

from dataclasses import replace

import pytest
import torch
from measures.pairs import pair_of

from pipeline.measures.mask_quality import Judge, Schedule, fitted_size, mask_loss

TINY = Schedule(width=8, iterations=25, batch=3, tests=3, learning_rate=3e-3)


def test_loss_by_hand():
    # Zero logits are 0.5 everywhere: cross-entropy ln 2; Dice (2 * 0.5 * 3 + 1) / (0.5 * 4 + 3 + 1) and so on.
    truth = torch.tensor([[[[1.0, 1], [1, 0]], [[0, 0], [0, 1]]]])
    dice = 1 - ((3 + 1) / (2 + 3 + 1) + (1 + 1) / (2 + 1 + 1)) / 2
    assert float(mask_loss(torch.zeros_like(truth), truth)) == pytest.approx(0.5 * 0.693147 + 0.5 * dice, abs=1e-6)


@pytest.mark.parametrize(
    ("size", "side", "fitted"),
    [
        ((384, 640), None, (384, 640)),
        ((36, 64), None, (32, 64)),
        ((141, 250), None, (128, 256)),
        ((10, 20), None, (32, 32)),
        ((384, 640), 320, (192, 320)),
    ],
)
def test_sides_are_multiples_of_32(size, side, fitted):
    assert fitted_size(size, side) == fitted


@pytest.mark.slow
def test_fitting_masks_score_above_others_in_both_directions():
    pair = pair_of()
    wrong = replace(pair, fakes=(pair.fakes[0], torch.roll(pair.fakes[1], 20, 2)))
    good, bad = Judge(pair, TINY, None), Judge(wrong, TINY, None)
    for way, count in ((Judge.train_on_fakes, 9), (Judge.train_on_real, 6)):
        one, other = way(good).plain, way(bad).plain
        assert len(one) == count
        assert float(one.mean()) > max(0.8, float(other.mean()) + 0.2)


def test_equal_seeds_give_equal_scores_and_leave_torchs_generator_alone():
    short, pair = replace(TINY, iterations=2, tests=1), pair_of(3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, same = (Judge(pair, short, None).train_on_fakes() for _ in range(2))
    assert torch.equal(one.plain, same.plain)
    assert torch.equal(torch.get_rng_state(), before)
