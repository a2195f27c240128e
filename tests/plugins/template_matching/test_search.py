"""The search: equal to a plain one, and coarse to fine agrees with it."""

import dataclasses

import numpy as np
import pytest
import torch

from plugins.template_matching.candidates import separate
from plugins.template_matching.grid import Grid
from plugins.template_matching.search import Matches, Search
from plugins.template_matching.templates import make_target, sample
from tests.plugins.template_matching import plain

PAPER = Search(Grid(rotations=11, shears=7, scales=11, rotation=20.0, shear=10.0, octaves=1.0), 4, 96, 32)
SMALL = Search(Grid(rotations=3, shears=3, scales=3, rotation=20.0, shear=10.0, octaves=1.0), 2, 24, 4)


def pairs(scenes, search, count):
    for mask, instances in zip(scenes.supports.frames[0].masks, scenes.query.oracle["instances"], strict=True):
        if count:
            yield make_target(mask), separate(instances, search.side)
        count = max(0, count - 1)


def everything(search, target, candidates):
    """Every pair, none left out."""
    found = [search.correlate(target, candidates, points) for points in search.grid.points()]
    return Matches(*map(torch.cat, zip(*found, strict=True)))


def test_full_search_equals_the_plain_one():
    random = np.random.default_rng(3)
    ink = (random.random((8, 8)) < 0.4).astype(np.uint8)
    crops = (random.random((3, 24, 24)) < 0.15).astype(np.uint8)
    instances = np.concatenate([crops[0], 2 * crops[1], 3 * crops[2]])
    candidates = separate(torch.from_numpy(instances.astype(np.int64)), 24)
    lying = candidates.crops.numpy().astype(np.uint8)
    expected = [[plain.best_correlation(v, c, 2) for v in plain.versions(ink, (3, 3, 3), 24)] for c in lying]
    match = SMALL.full(make_target(torch.from_numpy(ink)), candidates)
    owner, point = np.unravel_index(np.argmax(expected), (3, 81))
    assert (int(match.owners[0]), int(match.points[0])) == (owner, point)
    assert float(match.scores[0]) == pytest.approx(np.max(expected), abs=1e-12)


@pytest.mark.parametrize("normalise", ["both", "template"])
def test_what_is_left_out_cannot_win(scribbled, normalise):
    search = dataclasses.replace(PAPER, normalise=normalise)
    for target, candidates in pairs(scribbled, search, 2):
        expected = everything(search, target, candidates).best(1)
        assert all(torch.equal(a, b) for a, b in zip(search.full(target, candidates), expected, strict=True))


def test_a_floor_leaves_out_what_lies_below(scribbled):
    target, candidates = next(pairs(scribbled, PAPER, 1))
    points = PAPER.grid.points()[60]
    every, above = (PAPER.correlate(target, candidates, points, floor) for floor in (-torch.inf, 0.5))
    kept = every.scores >= 0.5
    assert 0 < kept.sum() < len(kept) == len(candidates) * 77
    assert all(torch.equal(a, b[kept]) for a, b in zip(above, every, strict=True))


def test_coarse_to_fine_agrees_with_the_full_search(scribbled):
    agreed = 0
    for target, candidates in pairs(scribbled, PAPER, 6):
        fine, full = PAPER.coarse_to_fine(target, candidates), PAPER.full(target, candidates)
        assert fine.scores <= full.scores
        agreed += int(fine.owners == full.owners)
    assert agreed >= 5


def test_an_exact_version_scores_one(scribbled):
    (target, _), point = next(pairs(scribbled, PAPER, 1)), torch.tensor([5000])
    (version,) = sample(target, PAPER.grid.matrices(point), (-40, 40, -40, 40))
    match = PAPER.full(target, separate(version.long(), 96))
    assert float(match.scores[0]) == pytest.approx(1.0, abs=1e-12)


def test_equal_scores_go_to_the_first():
    tied = Matches(torch.tensor([0.5, 0.5, 0.5]).double(), torch.tensor([2, 1, 1]), torch.tensor([0, 9, 3]))
    assert [column.tolist() for column in tied.best(2)] == [[0.5, 0.5], [1, 1], [3, 9]]


def test_without_candidates_there_is_no_match(scribbled):
    target, _ = next(pairs(scribbled, PAPER, 1))
    for search in (PAPER.full, PAPER.coarse_to_fine):
        assert len(search(target, separate(torch.zeros(96, 96, dtype=torch.int64), 96)).scores) == 0
