"""L-BFGS: the two-loop recursion, boxes, and problems that know nothing of each other."""

import numpy as np
import pytest
import torch
from scipy.optimize import rosen, rosen_der
from torch import Tensor

from pipeline.texturize.lbfgs import BoxedLBFGS, combine


def rosenbrock(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The banana valley, of each row."""
    values = torch.tensor([rosen(point) for point in points.numpy()])
    gradients = torch.from_numpy(np.stack([rosen_der(point) for point in points.numpy()]))
    return values, gradients, values


def box(shape: tuple[int, int], low: float, high: float) -> tuple[Tensor, Tensor]:
    return torch.full(shape, low, dtype=torch.float64), torch.full(shape, high, dtype=torch.float64)


def run(starts: Tensor, ticks: int, low: float = -9, high: float = 9) -> BoxedLBFGS:
    found = BoxedLBFGS(starts, *box(starts.shape, low, high), history=6, first=0.1)
    for _ in range(ticks):
        found.tick(rosenbrock)
    return found


def two_loops(s: list[Tensor], y: list[Tensor], gradient: Tensor) -> Tensor:
    """The plain path: Nocedal and Wright, algorithm 7.4."""
    q, alphas = gradient.clone(), []
    for move, change in zip(reversed(s), reversed(y), strict=True):
        alphas.append(move @ q / (move @ change))
        q -= alphas[-1] * change
    r = q * (s[-1] @ y[-1]) / (y[-1] @ y[-1]) if s else q
    for move, change, alpha in zip(s, y, reversed(alphas), strict=True):
        r += move * (alpha - change @ r / (move @ change))
    return -r


@pytest.mark.parametrize("age", [[3, 1, 4, 2], [7, 0, 9, 8], [0, 0, 5, 0], [0, 0, 0, 0]])
def test_the_compact_form_equals_the_two_loops(age: list[int]) -> None:
    torch.manual_seed(1)
    history, size = 4, 30
    root = torch.randn(size, size, dtype=torch.float64)
    s, gradient = torch.randn(history, size, dtype=torch.float64), torch.randn(size, dtype=torch.float64)
    y = s @ (root @ root.T)
    basis = torch.cat([s, y, gradient[None]])
    weights = combine((basis @ basis.T)[None], torch.tensor([age]))[0]
    order = [index for index in np.argsort(age) if age[index]]
    wanted = two_loops([s[i] for i in order], [y[i] for i in order], gradient)
    torch.testing.assert_close(weights @ basis, wanted)


def test_the_valley_is_followed_to_its_end() -> None:
    found = run(torch.tensor([[-1.2, 1.0, -1.2, 1.0]], dtype=torch.float64), 120)
    torch.testing.assert_close(found.point, torch.ones_like(found.point), rtol=0, atol=1e-4)


def test_a_problem_does_not_notice_its_neighbours() -> None:
    starts = torch.tensor([[-1.2, 1.0], [2.0, -1.0], [0.3, 0.4]], dtype=torch.float64)
    together, alone = run(starts, 25), [run(start[None], 25) for start in starts]
    torch.testing.assert_close(together.point, torch.cat([found.point for found in alone]))


def test_going_on_with_some_changes_nothing_for_them() -> None:
    starts = torch.tensor([[-1.2, 1.0], [2.0, -1.0], [0.3, 0.4]], dtype=torch.float64)
    some, rows = run(starts, 10), torch.tensor([0, 2])
    some.keep(rows)
    for _ in range(10):
        some.tick(rosenbrock)
    torch.testing.assert_close(some.point, run(starts, 20).point[rows])


def test_points_stay_in_the_box_and_reach_its_best_corner() -> None:
    found = run(torch.tensor([[-1.2, 0.9]], dtype=torch.float64), 80, high=0.5)
    assert found.point.max() <= 0.5
    torch.testing.assert_close(found.point, torch.tensor([[0.5, 0.25]], dtype=torch.float64), rtol=0, atol=1e-4)


def test_a_restart_forgets_where_it_was() -> None:
    starts = torch.tensor([[-1.2, 1.0], [2.0, -1.0]], dtype=torch.float64)
    found = run(starts, 8)
    found.restart(torch.tensor([1]), starts[1:])
    for _ in range(8):
        found.tick(rosenbrock)
    torch.testing.assert_close(found.point, torch.cat([run(starts[:1], 16).point, run(starts[1:], 8).point]))
