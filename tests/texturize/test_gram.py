"""The loss of conv1_1's Gram matrix: value, gradient and strips against plain autograd."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.texturize import gram
from pipeline.texturize.gram import GramLoss, Target

SIDE = 13


def problem(batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Filters, sources and points in float64."""
    torch.manual_seed(0)
    shapes = (batch, 64, 28), (batch, 3, SIDE, SIDE), (batch, 3, SIDE, SIDE)
    filters, sources, points = (torch.randn(*shape, dtype=torch.float64) for shape in shapes)
    return filters, sources, points


def plain_gram(filters: Tensor, pixels: Tensor) -> Tensor:
    """The plain path: a convolution for each texture, all its features at once."""
    found = []
    for own, image in zip(filters, pixels, strict=True):
        features = F.relu(F.conv2d(image[None], own[:, :-1].reshape(64, 3, 3, 3), own[:, -1], padding=1)).flatten(2)[0]
        found.append(features @ features.T / features.shape[1])
    return torch.stack(found)


def test_value_and_gradient_equal_those_of_autograd() -> None:
    filters, sources, points = problem()
    loss = GramLoss(filters, SIDE)
    target = Target.of(loss.gram(sources))
    points.requires_grad_()
    difference = plain_gram(filters, points) - plain_gram(filters, sources)
    weighted = (target.weight @ difference @ target.weight * difference).sum((1, 2)) / target.scale
    weighted.sum().backward()
    found, gradient, relative = loss(points.detach(), target)
    torch.testing.assert_close(found, weighted.detach(), rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient, points.grad, rtol=1e-9, atol=1e-14)
    by_hand = difference.square().sum((1, 2)) / plain_gram(filters, sources).square().sum((1, 2))
    torch.testing.assert_close(relative, by_hand.detach(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("pixels", [SIDE, 3 * SIDE, 5 * SIDE])
def test_strips_equal_the_whole_image(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    filters, sources, points = problem()
    whole = GramLoss(filters, SIDE)
    target = Target.of(whole.gram(sources))
    wanted = [found.clone() for found in whole(points, target)]
    monkeypatch.setattr(gram, "_STRIP", pixels)
    strips = GramLoss(filters, SIDE)
    for found, expected in zip(strips(points, target), wanted, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(strips.mean(points), whole.mean(points))


def test_the_weighted_loss_is_one_for_no_features_and_nothing_at_the_source() -> None:
    filters, sources, _ = problem()
    filters[:, :, -1] = 0
    loss = GramLoss(filters, SIDE)
    target = Target.of(loss.gram(sources))
    for pixels, wanted in ((torch.zeros_like(sources), 1.0), (sources, 0.0)):
        weighted, _, relative = loss(pixels, target)
        torch.testing.assert_close(weighted, torch.full_like(weighted, wanted), rtol=1e-6, atol=1e-12)
        torch.testing.assert_close(relative, torch.full_like(relative, wanted), rtol=1e-6, atol=1e-12)


def test_some_rows_of_a_target_are_those_textures() -> None:
    filters, sources, points = problem(3)
    loss = GramLoss(filters, SIDE)
    target, rows = Target.of(loss.gram(sources)), torch.tensor([0, 2])
    some = GramLoss(filters[rows], SIDE)(points[rows], target.rows(rows))
    for found, wanted in zip(some, loss(points, target), strict=True):
        torch.testing.assert_close(found, wanted[rows])
