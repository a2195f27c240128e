"""Versions of a target: equal to sampling pixel by pixel."""

import numpy as np
import pytest
import torch

from plugins.template_matching.grid import Grid
from plugins.template_matching.templates import make_target, reach, sample
from tests.plugins.template_matching import plain

SMALL = Grid(rotations=3, shears=3, scales=3, rotation=20.0, shear=10.0, octaves=1.0)


@pytest.fixture(scope="module")
def ink():
    return (np.random.default_rng(0).random((9, 11)) < 0.4).astype(np.uint8)


def test_versions_equal_sampling_pixel_by_pixel(ink):
    target, matrices = make_target(torch.from_numpy(ink)), SMALL.matrices(torch.arange(81))
    box = (-16, 15, -16, 15)
    expected = np.stack(plain.versions(ink, (3, 3, 3), 32))
    np.testing.assert_array_equal(sample(target, matrices, box).numpy(), expected)


def test_reach_holds_all_ink(ink):
    target, matrices = make_target(torch.from_numpy(ink)), SMALL.matrices(torch.arange(81))
    held = sample(target, matrices, reach(target, matrices, 64))
    whole = sample(target, matrices, (-32, 31, -32, 31))
    assert torch.equal(held.sum((1, 2)), whole.sum((1, 2)))
    assert held.shape[1] < 50 > held.shape[2]


def test_reach_ends_at_the_square(ink):
    target, matrices = make_target(torch.from_numpy(ink)), SMALL.matrices(torch.arange(81))
    assert reach(target, matrices, 6) == (-3, 2, -3, 2)


def test_the_identity_is_the_picture_itself(ink):
    target = make_target(torch.from_numpy(ink))
    rows, columns = (round(float(axis.mean())) for axis in np.nonzero(ink))
    (same,) = sample(target, torch.eye(2).double()[None], (-rows, 8 - rows, -columns, 10 - columns))
    np.testing.assert_array_equal(same.numpy(), ink)


def test_no_ink_makes_no_target():
    assert make_target(torch.zeros(4, 4, dtype=torch.uint8)) is None
