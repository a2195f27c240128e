"""The grid: its counts, its steps and the map of the specification's section 2.2."""

import math

import torch

from plugins.template_matching.grid import Grid

PAPER = Grid(rotations=11, shears=7, scales=11, rotation=20.0, shear=10.0, octaves=1.0)


def test_the_paper_has_9317_versions():
    assert len(PAPER) == 9317
    assert sorted(PAPER.points().flatten().tolist()) == list(range(9317))


def test_every_other_step_keeps_the_ends():
    coarse = PAPER.points(2)
    assert coarse.shape == (36, 24)
    assert {0, 9316} <= set(coarse.flatten().tolist())


def test_the_middle_is_the_identity():
    assert torch.equal(PAPER.matrices(torch.tensor(9317 // 2)), torch.eye(2).double())


def test_the_corners_reach_the_ranges():
    smallest, largest = PAPER.matrices(torch.tensor([0, 9316]))
    turn_x, turn_y = math.radians(30), math.radians(10)
    expected = [[math.cos(turn_x), math.sin(turn_y)], [-math.sin(turn_x), math.cos(turn_y)]]
    torch.testing.assert_close(largest, 2 * torch.tensor(expected, dtype=torch.float64))
    expected = [[math.cos(turn_x), -math.sin(turn_y)], [math.sin(turn_x), math.cos(turn_y)]]
    torch.testing.assert_close(smallest, 0.5 * torch.tensor(expected, dtype=torch.float64))


def test_scales_step_by_a_fifth_of_an_octave():
    areas = torch.linalg.det(PAPER.matrices(PAPER.points()[:, 38])).view(11, 11)
    torch.testing.assert_close(areas[1:] / areas[:-1], torch.full((10, 11), 2**0.2).double())


def test_neighbours_stay_inside():
    middle, corner = PAPER.neighbours(torch.tensor([9317 // 2, 0])).tolist()
    assert len(set(middle)) == 81
    assert 9317 // 2 in middle
    assert len(set(corner)) == 16


def test_coarse_steps_and_their_neighbours_are_the_whole_grid():
    reached = PAPER.neighbours(PAPER.points(2).flatten())
    assert set(reached.flatten().tolist()) == set(range(9317))
