"""Finding the candidate that some version of the target fits best: among all versions, or coarse to fine."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from plugins.template_matching.candidates import Candidates
from plugins.template_matching.correlation import Normalise, best_overlaps, best_overlaps_paired, correlation
from plugins.template_matching.grid import Grid
from plugins.template_matching.templates import Target, reach, sample

_PAIRS = 16
"""Pairs refined side by side: enough to fill the matrix products, few enough to stay in a cache."""


class Matches(NamedTuple):
    """Pairs of a candidate and a version."""

    scores: Tensor
    """(R,) float64."""
    owners: Tensor
    """(R,) int64: index of the candidate."""
    points: Tensor
    """(R,) int64: the version's place in the grid."""

    def best(self, count: int) -> "Matches":
        """The `count` best, best first; of equal scores, the earlier candidate, then the earlier version."""
        order = torch.argsort(self.points, stable=True)
        order = order[torch.argsort(self.owners[order], stable=True)]
        order = order[torch.argsort(self.scores[order], descending=True, stable=True)][:count]
        return Matches(*(column[order] for column in self))


@dataclass(frozen=True)
class Search:
    """What is compared with what: a grid of versions, over which shifts, on how large a square."""

    grid: Grid
    window: int | None
    """Largest shift along either axis, pixels; None means all shifts."""
    side: int
    """Side of the square around the centres of mass on which a version and a candidate are compared, pixels."""
    starts: int
    """Coarse to fine: how many pairs of the coarse grid are refined."""
    normalise: Normalise = "both"

    def full(self, target: Target, candidates: Candidates) -> Matches:
        """The best pair over every version of the grid; empty where nothing can be compared.

        What coarse to fine finds is a floor: leaving out what cannot reach it changes nothing.
        """
        return self._sweep(target, candidates, 1, self.coarse_to_fine(target, candidates), 1)

    def coarse_to_fine(self, target: Target, candidates: Candidates) -> Matches:
        """The best pair among the `starts` best pairs of every other grid step and the neighbours of their versions."""
        places = torch.zeros(0, dtype=torch.int64, device=candidates.areas.device)
        coarse = self._sweep(target, candidates, 2, Matches(places.double(), places, places), self.starts)
        return self._refine(target, candidates, coarse)

    def correlate(self, target: Target, candidates: Candidates, points: Tensor, floor: float = -torch.inf) -> Matches:
        """All pairs with versions `points` (M,) that score `floor` or more.

        A pair's overlap is at most the lesser ink of the two, which bounds its score: a candidate that no version can
        bring to `floor` is left out before the costly part.
        """
        matrices = self.grid.matrices(points)
        box = reach(target, matrices, self.side)
        templates = sample(target, matrices, box)
        inks, areas = templates.sum((1, 2)), candidates.areas[:, None]
        bounds = self._score(torch.minimum(inks, areas), inks, areas)
        kept = (bounds >= floor).any(1).nonzero()[:, 0]
        if len(kept) == 0:
            return Matches(bounds.new_zeros(0), kept, kept)
        overlaps = best_overlaps(candidates.crops[kept], templates, box, self.window)
        scores = self._score(overlaps, inks, areas[kept])
        rows, columns = ((scores >= floor) & scores.isfinite()).nonzero(as_tuple=True)
        return Matches(scores[rows, columns], kept[rows], points.to(rows.device)[columns])

    def _sweep(self, target: Target, candidates: Candidates, stride: int, leaders: Matches, count: int) -> Matches:
        """The `count` best pairs among `leaders` and all versions at every `stride`-th step of the grid."""
        for points in self.grid.points(stride):
            floor = float(leaders.scores[-1]) if len(leaders.scores) == count else -torch.inf
            found = self.correlate(target, candidates, points, floor)
            leaders = _join([leaders, found]).best(count)
        return leaders

    def _refine(self, target: Target, candidates: Candidates, starts: Matches) -> Matches:
        """The best pair among `starts` and the versions one grid step around theirs, each for its own candidate."""
        if len(starts.scores) == 0:
            return starts
        points = self.grid.neighbours(starts.points.cpu())
        matrices = self.grid.matrices(points)
        # Versions of one size share a box, so that little of it is empty.
        order = torch.linalg.det(matrices).amax(1).argsort()
        found = [starts]
        for chunk in order.split(_PAIRS):
            flat = matrices[chunk].flatten(0, 1)
            box = reach(target, flat, self.side)
            templates = sample(target, flat, box).view(*points[chunk].shape, box[1] - box[0] + 1, -1)
            owners = starts.owners[chunk.to(starts.owners.device)]
            overlaps = best_overlaps_paired(candidates.crops[owners], templates, box, self.window)
            scores = self._score(overlaps, templates.sum((2, 3)), candidates.areas[owners, None])
            repeated = owners[:, None].expand_as(scores)
            found.append(Matches(*(x.flatten() for x in (scores, repeated, points[chunk].to(owners.device)))))
        return _join(found).best(1)

    def _score(self, overlaps: Tensor, inks: Tensor, areas: Tensor) -> Tensor:
        return correlation(overlaps, inks, areas, self.side**2, self.normalise)


def _join(matches: list[Matches]) -> Matches:
    return Matches(*map(torch.cat, zip(*matches, strict=True)))
