"""L-BFGS for a batch of independent problems inside boxes: each has its own step, history and end.

One evaluation of all problems is a tick. Whoever does not descend enough by it (Armijo) tries a shorter step in the
next, while the others go on. The direction is worked out from inner products alone, so that the history is read four
times a tick, whatever its length.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
"""Points (B, n) -> losses (B,), gradients (B, n), and what the caller stops by (B,)."""

_ARMIJO, _SHORTER, _LEAST = 1e-4, 0.25, 1e-6
"""Share of the predicted descent that is enough; factor of a step that failed; step below which history is dropped."""


class BoxedLBFGS:
    """The state of B problems; `tick` evaluates each once."""

    def __init__(self, start: Tensor, low: Tensor, high: Tensor, *, history: int, first: float) -> None:
        """Begin at `start` (B, n) with `low` <= x <= `high`, both (B, n).

        `first` is the length, root mean square over a point, of the first step, and of each that has no history.
        """
        count, size = start.shape
        self.point = start.clamp(low, high)
        self.loss = start.new_full((count,), torch.inf)
        self.measure = start.new_full((count,), torch.inf)
        """What the loss said beside itself at `point`."""
        self._low, self._high, self._first = low, high, first * size**0.5
        self._gradient, self._move = torch.zeros_like(start), torch.zeros_like(start)
        self._step, self._slope = start.new_ones(count), start.new_zeros(count)
        self._pairs = start.new_zeros(count, 2 * history, size)  # s, then y
        self._products = torch.zeros(count, 2 * history + 1, 2 * history + 1, dtype=torch.float64)
        self._age = torch.zeros(count, history, dtype=torch.long)  # when a pair was made; 0 is no pair
        self._clock = 0

    def tick(self, function: Loss) -> None:
        """Evaluate every problem at its trial point, take up what descends, and choose the next trial points."""
        self._clock += 1
        trial = torch.addcmul(self.point, self._move, self._step[:, None]).clamp_(self._low, self._high)
        loss, gradient, measure = function(trial)
        good = loss <= self.loss + _ARMIJO * self._step * self._slope
        everywhere = bool(good.all())
        moved, change = trial - self.point, gradient - self._gradient
        self._remember(moved, change, good & self.loss.isfinite())
        self.point = trial if everywhere else torch.where(good[:, None], trial, self.point)
        self._gradient.add_(change if everywhere else change.masked_fill_(~good[:, None], 0))
        self.loss, self.measure = torch.where(good, loss, self.loss), torch.where(good, measure, self.measure)
        self._direct(good)

    def keep(self, rows: Tensor) -> None:
        """Go on with some of the problems, `rows` (B',) in rising order."""
        here = rows.cpu()
        for name in ("point", "loss", "measure", "_low", "_high", "_gradient", "_move", "_step", "_slope", "_pairs"):
            setattr(self, name, getattr(self, name)[rows])
        self._products, self._age = self._products[here], self._age[here]

    def restart(self, rows: Tensor, points: Tensor) -> None:
        """Let the problems `rows` (B',) begin anew at `points` (B', n)."""
        self.point = self.point.index_copy(0, rows, points)  # the trial point may be the caller's as well
        self.loss[rows] = self.measure[rows] = torch.inf
        self._move[rows], self._step[rows], self._slope[rows] = 0, 1, 0
        self._age[rows.cpu()] = 0

    def _remember(self, moved: Tensor, change: Tensor, good: Tensor) -> None:
        """Replace the oldest pair of those that have moved where the loss curves upwards along the step."""
        curved = (moved * change).sum(1) > 1e-10 * change.square().sum(1)
        chosen = (good & curved).cpu().nonzero()[:, 0]
        history, slot = self._age.shape[1], self._age[chosen].argmin(1)
        if not len(chosen):
            return
        rows, place = chosen.to(moved.device), slot.to(moved.device)
        self._pairs[rows, place] = moved[rows]
        self._pairs[rows, history + place] = change[rows]
        pairs = self._pairs if len(chosen) == len(good) else self._pairs[rows]
        for part, news in enumerate((moved[rows], change[rows])):
            # One vector at a time: with two columns side by side a CPU takes six times as long as with one.
            products = torch.bmm(pairs, news[:, :, None])[:, :, 0].double().cpu()
            self._products[chosen, slot + part * history, :-1] = products
            self._products[chosen, :-1, slot + part * history] = products
        self._age[chosen, slot] = self._clock

    def _direct(self, good: Tensor) -> None:
        """New directions for those that moved, shorter steps for the others."""
        blocked = (self.point <= self._low) & (self._gradient > 0)
        blocked |= (self.point >= self._high) & (self._gradient < 0)
        free = self._gradient.masked_fill(blocked, 0)
        move, slope = self._quasi_newton(free, blocked)
        stuck = ~good & (self._step < _LEAST)
        lost = (slope >= 0) | stuck
        fresh = lost | (self._age.amax(1) == 0).to(lost.device)
        if bool(fresh.any()):
            steepest = free * (-self._first / free.norm(dim=1).clamp_min(1e-30))[:, None]
            move = torch.where(fresh[:, None], steepest, move)
            slope = torch.where(fresh, (steepest * free).sum(1), slope)
            self._age.masked_fill_(lost.cpu()[:, None], 0)
        again = good | stuck
        self._move = move if bool(again.all()) else torch.where(again[:, None], move, self._move)
        self._slope = torch.where(again, slope, self._slope)
        self._step = torch.where(again, torch.ones_like(self._step), self._step * _SHORTER)

    def _quasi_newton(self, free: Tensor, blocked: Tensor) -> tuple[Tensor, Tensor]:
        """The direction (B, n), which leaves blocked pixels alone, and the slope of the loss along it (B,)."""
        self._products[:, :-1, -1] = torch.bmm(self._pairs, free[:, :, None])[:, :, 0].double().cpu()
        self._products[:, -1, :-1] = self._products[:, :-1, -1]
        weights = combine(self._products, self._age).to(free)
        move = torch.bmm(weights[:, None, :-1], self._pairs)[:, 0]
        move.addcmul_(free, weights[:, -1:]).masked_fill_(blocked, 0)
        return move, (move * free).sum(1)


def combine(products: Tensor, age: Tensor) -> Tensor:
    """Weights (B, 2m + 1) of s, y and the gradient g in the direction -H g; H in its compact form (Byrd et al. 1994).

    `products` (B, 2m + 1, 2m + 1) are those of s_0.., y_0.. and g; `age` (B, m) orders the pairs, 0 is no pair.
    """
    history = age.shape[1]
    order = age.argsort(dim=1)  # oldest first: empty places lead
    empty = age.gather(1, order) == 0
    both = torch.cat([order, order + history, torch.full_like(order[:, :1], 2 * history)], 1)
    found = products.gather(1, both[:, :, None].expand_as(products)).gather(2, both[:, None].expand_as(products))
    unused = torch.cat([empty, empty, torch.zeros_like(empty[:, :1])], 1)
    found = found.masked_fill(unused[:, :, None] | unused[:, None], 0)
    sy, yy = found[:, :history, history:-1], found[:, history:-1, history:-1]
    sg, yg = found[:, :history, -1:], found[:, history:-1, -1:]
    triangle = sy.triu() + torch.diag_embed(empty.double())
    gamma = torch.where(empty[:, -1], 1.0, sy[:, -1, -1] / yy[:, -1, -1])[:, None, None]
    inner = torch.linalg.solve_triangular(triangle, sg, upper=True)
    middle = sy.diagonal(dim1=1, dim2=2)[:, :, None] * inner + gamma * (yy @ inner - yg)
    outer = torch.linalg.solve_triangular(triangle.mT, middle, upper=False)
    weights = torch.cat([-outer, gamma * inner, -gamma], 1)[:, :, 0]
    return torch.zeros_like(weights).scatter(1, both, weights.masked_fill(unused, 0))
