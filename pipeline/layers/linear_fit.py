"""Linear classifiers of few points with many features, fitted to the optimum: logistic regression and linear SVM.

Both minimize 1/2 |w|^2 + C sum_i loss(y_i (w . x_i + b)) with b counted in |w|^2, as LIBLINEAR does (Fan et al., JMLR
2008): w is a mixture of the points, w = sum_i a_i x_i, so that Newton's method runs over n numbers instead of as many
as there are features (Chapelle, Neural Computation 2007).
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Literal["logistic", "squared_hinge"]
STEPS, HALVINGS = 100, 30
"""At most so many Newton steps, each halved at most so often; about ten steps are the rule."""


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


class _Local(NamedTuple):
    """The loss of n points at their decisions f, with its derivatives by f."""

    value: Tensor
    slope: Tensor
    curvature: Tensor


def fit(points: Tensor, positive: Tensor, *, loss: Loss, penalty: float = 1.0) -> Linear:
    """Classifier of points (n, C) whose label is `positive` (n,) bool; `penalty` is C, the weight of the losses.

    Computed in float64, given in the dtype of the points. With one label alone it decides for that one.
    """
    exact = points.double()
    signs = torch.where(positive, 1.0, -1.0).to(exact)
    kernel = exact @ exact.T + 1  # a feature that is always 1 carries the bias
    mixture = _newton(kernel, signs, loss, penalty)
    return Linear((mixture @ exact).to(points.dtype), mixture.sum().to(points.dtype))


def _newton(kernel: Tensor, signs: Tensor, loss: Loss, penalty: float) -> Tensor:
    """Mixture (n,) at the minimum: there it equals minus the slope of the losses."""
    mixture = torch.zeros_like(signs)
    decisions = torch.zeros_like(signs)
    for _ in range(STEPS):
        here = _local(decisions, signs, loss, penalty)
        if float((mixture + here.slope).abs().max()) < 1e-9 * penalty:
            break
        step = _solved(kernel, decisions, here) - mixture
        mixture, decisions = _descend(kernel, signs, loss, penalty, mixture, step)
    return mixture


def _solved(kernel: Tensor, decisions: Tensor, here: _Local) -> Tensor:
    """The mixture that minimizes the losses' second-order model, (K + W^-1) a = f - W^-1 slope, safe where W is 0.

    With B = 1 + sqrt(W) K sqrt(W), whose eigenvalues are 1 or more (Rasmussen and Williams 2006, algorithm 3.1).
    """
    root = here.curvature.sqrt()
    system = torch.eye(len(root), dtype=root.dtype, device=root.device) + root[:, None] * kernel * root
    target = here.curvature * decisions - here.slope
    inner = torch.cholesky_solve((root * (kernel @ target))[:, None], torch.linalg.cholesky(system))[:, 0]
    return target - root * inner


def _descend(
    kernel: Tensor, signs: Tensor, loss: Loss, penalty: float, mixture: Tensor, step: Tensor
) -> tuple[Tensor, Tensor]:
    """Go the step, halved until the objective falls (or as often as halving can matter): mixture and decisions."""
    before = _objective(kernel @ mixture, mixture, signs, loss, penalty)
    for halving in range(HALVINGS):
        after = mixture + step * 0.5**halving
        decisions = kernel @ after
        if _objective(decisions, after, signs, loss, penalty) <= before:
            return after, decisions
    return mixture, kernel @ mixture


def _objective(decisions: Tensor, mixture: Tensor, signs: Tensor, loss: Loss, penalty: float) -> float:
    return float(mixture @ decisions / 2 + _local(decisions, signs, loss, penalty).value.sum())


def _local(decisions: Tensor, signs: Tensor, loss: Loss, penalty: float) -> _Local:
    margins = signs * decisions
    if loss == "logistic":
        wrong = torch.sigmoid(-margins)
        return _Local(penalty * F.softplus(-margins), -penalty * signs * wrong, penalty * wrong * (1 - wrong))
    short = (1 - margins).clamp(min=0)
    return _Local(penalty * short.square(), -2 * penalty * signs * short, 2 * penalty * (short > 0).to(short))
