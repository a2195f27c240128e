"""The comparison of embeddings, and its loss as the authors write it."""

import math

import torch

from pipeline.layers.comparison import Comparison, score_loss


def test_a_score_is_the_sigmoid_of_a_weighted_distance():
    torch.manual_seed(0)
    comparison = Comparison(4)
    candidate, target = torch.rand(4), torch.rand(4)
    plain = sum(
        float(w) * abs(float(c - t)) for w, c, t in zip(comparison.weight.tolist(), candidate, target, strict=True)
    )
    torch.testing.assert_close(comparison(candidate, target).item(), 1 / (1 + math.exp(-plain)), atol=1e-6, rtol=1e-6)
    assert comparison(target, target).item() == 0.5  # no bias


def test_initial_weights_are_glorot_uniform_and_alone():
    comparison = Comparison(384)
    assert [name for name, _ in comparison.named_parameters()] == ["weight"]
    reach = math.sqrt(6 / 385)
    assert 0.95 * reach < comparison.weight.abs().max() <= reach


def test_the_loss_keeps_logarithms_finite():
    scores = torch.tensor([0.0, 1.0, 0.5])
    found = score_loss(scores, torch.tensor([1.0, 0.0, 1.0]))
    torch.testing.assert_close(found, torch.tensor([-math.log(1e-4), -math.log(1e-4), -math.log(0.5001)]))
