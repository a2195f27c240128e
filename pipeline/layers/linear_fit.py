"""Linear classifiers of cells, fitted to the optimum: logistic regression and linear SVM.

Both minimize 1/2 |w|^2 + C sum_i loss(y_i (w . x_i + b)) with b counted in |w|^2, as LIBLINEAR does (Fan et al., JMLR
2008). Newton's method runs over w and b, or, where there are fewer points than features, over the mixture a of points
that w is, w = sum_i a_i x_i (Chapelle, Neural Computation 2007). About ten steps are the rule.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Literal["logistic", "squared_hinge"]
STEPS, HALVINGS = 100, 30
"""At most so many Newton steps, each halved at most so often."""


@dataclass(frozen=True)
class Linear:
    """A decision w . x + b, positive for the object."""

    weight: Tensor
    """(C,)."""
    bias: Tensor
    """()."""

    def margins(self, points: Tensor) -> Tensor:
        """Decisions (n,) for points (n, C)."""
        return points @ self.weight + self.bias


def fit(points: Tensor, positive: Tensor, *, loss: Loss, penalty: float = 1.0) -> Linear:
    """Classifier of points (n, C) whose label is `positive` (n,) bool; `penalty` is C, the weight of the losses.

    Computed in float64, given in the dtype of the points. With one label alone it decides for that one.
    """
    exact = F.pad(points.double(), (0, 1), value=1.0)  # a feature that is always 1 carries the bias
    signs = torch.where(positive, 1.0, -1.0).to(exact)
    unknowns = _Mixture(exact) if len(exact) < exact.shape[1] else _Weights(exact)
    weight = unknowns.weights(_newton(unknowns, signs, loss, penalty)).to(points.dtype)
    return Linear(weight[:-1], weight[-1])


class _Local(NamedTuple):
    """The loss of n points at their decisions f, with its derivatives by f."""

    value: Tensor
    slope: Tensor
    curvature: Tensor


class _Unknowns(ABC):
    """What Newton's method solves for: v, with decisions that are linear in it."""

    start: Tensor

    @abstractmethod
    def decisions(self, v: Tensor) -> Tensor:
        """Of all points, (n,)."""

    @abstractmethod
    def squared(self, v: Tensor, decisions: Tensor) -> Tensor:
        """|w|^2."""

    @abstractmethod
    def gradient(self, v: Tensor, slope: Tensor) -> Tensor:
        """0 at the minimum, and nowhere else."""

    @abstractmethod
    def solved(self, decisions: Tensor, here: _Local) -> Tensor:
        """The minimum where every loss is replaced by its second-order model."""

    @abstractmethod
    def weights(self, v: Tensor) -> Tensor:
        """The weights, (C + 1,), the bias last."""


class _Weights(_Unknowns):
    """The weights themselves."""

    def __init__(self, points: Tensor) -> None:
        self.points, self.start = points, points.new_zeros(points.shape[1])

    def decisions(self, v: Tensor) -> Tensor:
        return self.points @ v

    def squared(self, v: Tensor, decisions: Tensor) -> Tensor:
        return v @ v

    def gradient(self, v: Tensor, slope: Tensor) -> Tensor:
        return v + slope @ self.points

    def solved(self, decisions: Tensor, here: _Local) -> Tensor:
        """(1 + X^T W X) v = X^T (W f - slope)."""
        system = _one_more(self.points.T @ (here.curvature[:, None] * self.points))
        return _solve(system, (here.curvature * decisions - here.slope) @ self.points)

    def weights(self, v: Tensor) -> Tensor:
        return v


class _Mixture(_Unknowns):
    """How much each point adds to the weights; at the minimum, minus the slope of its loss."""

    def __init__(self, points: Tensor) -> None:
        self.points, self.kernel, self.start = points, points @ points.T, points.new_zeros(len(points))

    def decisions(self, v: Tensor) -> Tensor:
        return self.kernel @ v

    def squared(self, v: Tensor, decisions: Tensor) -> Tensor:
        return v @ decisions

    def gradient(self, v: Tensor, slope: Tensor) -> Tensor:
        return v + slope

    def solved(self, decisions: Tensor, here: _Local) -> Tensor:
        """(K + W^-1) v = f - W^-1 slope, safe where W is 0 (Rasmussen and Williams 2006, algorithm 3.1)."""
        root = here.curvature.sqrt()
        target = here.curvature * decisions - here.slope
        system = _one_more(root[:, None] * self.kernel * root)
        return target - root * _solve(system, root * (self.kernel @ target))

    def weights(self, v: Tensor) -> Tensor:
        return v @ self.points


def _newton(unknowns: _Unknowns, signs: Tensor, loss: Loss, penalty: float) -> Tensor:
    """The minimum, where the gradient is 1e-8 of what it was at 0."""
    v, decisions, enough = unknowns.start, torch.zeros_like(signs), 0.0
    for number in range(STEPS):
        here = _local(decisions, signs, loss, penalty)
        steepness = float(unknowns.gradient(v, here.slope).abs().max())
        enough = 1e-8 * steepness if number == 0 else enough
        if steepness <= enough:
            break
        before = float(unknowns.squared(v, decisions) / 2 + here.value.sum())
        step = unknowns.solved(decisions, here) - v
        for halving in range(HALVINGS):
            moved = v + step * 0.5**halving
            decisions = unknowns.decisions(moved)
            value = _local(decisions, signs, loss, penalty).value.sum()
            if float(unknowns.squared(moved, decisions) / 2 + value) < before:
                break
        else:  # no step of a size that matters goes down: rounding is all that is left
            break
        v = moved
    return v


def _local(decisions: Tensor, signs: Tensor, loss: Loss, penalty: float) -> _Local:
    margins = signs * decisions
    if loss == "logistic":
        wrong = torch.sigmoid(-margins)
        return _Local(penalty * F.softplus(-margins), -penalty * signs * wrong, penalty * wrong * (1 - wrong))
    short = (1 - margins).clamp(min=0)
    return _Local(penalty * short.square(), -2 * penalty * signs * short, 2 * penalty * (short > 0).to(short))


def _one_more(matrix: Tensor) -> Tensor:
    """The matrix plus the identity: positive definite where the matrix has no negative eigenvalue."""
    return matrix + torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)


def _solve(system: Tensor, right: Tensor) -> Tensor:
    """Solve for one right-hand side; `system` is symmetric and positive definite."""
    return torch.cholesky_solve(right[:, None], torch.linalg.cholesky(system))[:, 0]
