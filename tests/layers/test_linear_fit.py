"""Linear classifiers against a plain minimization of the same objective, and against its conditions."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from pipeline.layers.linear_fit import fit


def points(number=30, features=12, seed=0, shift=0.6):
    """Two overlapping clouds, of `number` points in all."""
    generator = torch.Generator().manual_seed(seed)
    positive = torch.arange(number) % 3 == 0
    return torch.randn(number, features, generator=generator) + shift * positive[:, None], positive


def plain(x, positive, loss, penalty):
    """The primal objective over weights and bias, minimized by quasi-Newton steps."""
    x = np.c_[x.double().numpy(), np.ones(len(x))]
    y = np.where(positive.numpy(), 1.0, -1.0)

    def objective(w):
        margins = y * (x @ w)
        if loss == "logistic":
            return w @ w / 2 + penalty * np.logaddexp(0, -margins).sum()
        return w @ w / 2 + penalty * (np.maximum(0, 1 - margins) ** 2).sum()

    return minimize(objective, np.zeros(x.shape[1]), method="BFGS", options={"gtol": 1e-7}).x


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("penalty", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
@pytest.mark.parametrize("size", [(30, 12), (9, 20)])
def test_it_is_the_minimum_of_the_primal_objective(loss, penalty, size):
    x, positive = points(*size)
    found, wanted = fit(x.double(), positive, loss=loss, penalty=penalty), plain(x, positive, loss, penalty)
    np.testing.assert_allclose(found.weight, wanted[:-1], atol=1e-4)
    np.testing.assert_allclose(found.bias, wanted[-1], atol=1e-4)


def test_logistic_weights_are_the_residuals_mixture():
    # The gradient vanishes: w = C sum y sigma(-y f) x, and b likewise; far more features than points, large values.
    x, positive = points(40, 4096)
    x = (30 * x.double()).relu()
    found = fit(x, positive, loss="logistic")
    signs = torch.where(positive, 1.0, -1.0).double()
    residuals = signs * torch.sigmoid(-signs * found.margins(x))
    torch.testing.assert_close(found.weight, residuals @ x, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.bias, residuals.sum(), atol=1e-8, rtol=1e-4)


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
@pytest.mark.parametrize("label", [True, False])
def test_with_one_label_alone_it_decides_for_that_one(loss, label):
    x, positive = points()
    found = fit(x, torch.full_like(positive, label), loss=loss)
    assert bool(((found.margins(x) > 0) == label).all())


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_repeated_and_separable_points_are_no_trouble(loss):
    x, positive = points(20, 6, shift=50)
    found = fit(torch.cat([x, x]), torch.cat([positive, positive]), loss=loss)
    assert bool(((found.margins(x) > 0) == positive).all())
    assert bool(found.weight.isfinite().all())
