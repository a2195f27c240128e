"""Adversarial losses: weights of heads and objects by hand, targets, identities; diversity in closed form."""

import math

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.one_shot.discriminator import Verdict
from pipeline.layers.one_shot.diversity import diversity_loss
from pipeline.layers.one_shot.losses import AdversarialLoss, object_loss, patch_loss
from tests.layers.one_shot import plain


def verdict(fill=0.0, low=4, high=3, rows=10, classes=3):
    """As of batch 5, N = 2."""
    return Verdict(
        [torch.full((5, 1, 8 >> i, 8), fill) for i in range(low)],
        torch.full((high, rows, classes), fill),
        [torch.full((5, 1, 4 >> i, 4), fill) for i in range(high)],
    )


def masks(batch=5, count=2):
    torch.manual_seed(0)
    return F.one_hot(torch.randint(count, (batch, 16, 24)), count).movedim(-1, 1).float()


def drawn(classes=3):
    """Logits that differ from head to head."""
    torch.manual_seed(0)
    zero = verdict(classes=classes)
    low, layout = ([torch.randn_like(x) for x in heads] for heads in (zero.low_level, zero.layout))
    return Verdict(low, torch.randn_like(zero.content), layout)


@pytest.mark.parametrize("role", ["generator", "real", "fake"])
def test_each_low_level_head_weighs_a_seventh_and_each_other_one_a_fourteenth(role):
    given, area = drawn(), masks()
    found, target = AdversarialLoss()(given, area, role)["loss"], float(role != "fake")
    low, layout = (
        sum(F.binary_cross_entropy_with_logits(x, torch.full_like(x, target)) for x in heads)
        for heads in (given.low_level, given.layout)
    )
    torch.testing.assert_close(found, low / 7 + sum(plain.objects(given.content, area, role)) / 14 + layout / 14)


@pytest.mark.parametrize("role", ["generator", "real", "fake"])
def test_zero_logits_cost_ln_2_a_binary_head_and_ln_3_an_object_head(role):
    parts = AdversarialLoss()(verdict(), masks(), role)
    assert parts["low_level"].item() == pytest.approx(4 / 7 * math.log(2))
    assert parts["content"].item() == pytest.approx(3 / 14 * math.log(3))
    assert parts["layout"].item() == pytest.approx(3 / 14 * math.log(2))
    assert parts["loss"].item() == pytest.approx(sum(float(v) for k, v in parts.items() if k != "loss"))


def test_the_paper_averages_each_branch_and_doubles_the_low_level_one():
    parts = AdversarialLoss(weights="paper")(verdict(), masks(), "real")
    assert parts["low_level"].item() == pytest.approx(2 * math.log(2))
    assert parts["content"].item() == pytest.approx(math.log(3))
    assert parts["layout"].item() == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("adversary", "role", "expected"),
    [
        ("bce", "real", math.log1p(math.exp(-0.5))),
        ("bce", "generator", math.log1p(math.exp(-0.5))),
        ("bce", "fake", math.log1p(math.exp(0.5))),
        ("hinge", "real", 0.5),
        ("hinge", "fake", 1.5),
        ("hinge", "generator", -0.5),
        ("wgan", "real", -0.5),
        ("wgan", "fake", 0.5),
        ("wgan", "generator", -0.5),
    ],
)
def test_binary_losses_of_a_logit_of_one_half(adversary, role, expected):
    parts = AdversarialLoss(adversary=adversary)(verdict(0.5, rows=5, classes=1), None, role)
    assert parts["low_level"].item() == pytest.approx(4 / 7 * expected)
    assert parts["content"].item() == pytest.approx(3 / 14 * expected)


@pytest.mark.parametrize("role", ["generator", "real", "fake"])
def test_the_object_head_equals_one_row_after_another(role):
    torch.manual_seed(0)
    logits, given = torch.randn(3, 15, 4).double(), masks(count=3).double()
    found = object_loss(logits, given, role)
    torch.testing.assert_close(found, torch.stack(plain.objects(logits, given, role)))


def test_weights_are_inverse_areas_as_in_equation_6_and_absent_objects_weigh_nothing():
    logits = torch.zeros(1, 3, 4)
    logits[0, 0, 0], logits[0, 1, 1], logits[0, 2, 2] = 1.0, 2.0, 9.0
    given = torch.zeros(1, 3, 1, 4)
    given[0, 0, 0, :3], given[0, 1, 0, 3:] = 1, 1  # areas 3, 1 and 0
    losses = [math.log(math.exp(v) + 3) - v for v in (1.0, 2.0)]
    expected = (losses[0] / 3 + losses[1]) / (1 / 3 + 1)
    assert object_loss(logits, given, "real").item() == pytest.approx(expected)
    assert object_loss(logits, given, "generator").item() == pytest.approx(expected)


def test_the_generator_may_go_without_balance():
    torch.manual_seed(0)
    logits, given = torch.randn(1, 10, 3), masks()
    found = object_loss(logits, given, "generator", balance_generator=False)
    targets = torch.tensor([0] * 5 + [1] * 5)
    torch.testing.assert_close(found[0], F.cross_entropy(logits[0], targets))


def test_generator_and_real_losses_are_equal_on_equal_logits_and_the_fake_class_is_n():
    assert AdversarialLoss()(drawn(), masks(), "generator") == AdversarialLoss()(drawn(), masks(), "real")
    assert AdversarialLoss()(drawn(1), None, "generator") == AdversarialLoss()(drawn(1), None, "real")
    logits, given = torch.randn(2, 10, 3), masks()
    logits[..., 2] = 30
    assert object_loss(logits, given, "fake").max() < 1e-6


def test_hinge_over_scales():
    logits = [torch.full((2, 1, 3, 3), 0.5), torch.full((2, 1, 2, 2), -2.0)]
    assert patch_loss(logits, "real").item() == pytest.approx((0.5 + 3) / 2)
    assert patch_loss(logits, "fake").item() == pytest.approx((1.5 + 0) / 2)
    assert patch_loss(logits, "generator").item() == pytest.approx(0.75)


def test_diversity_by_ranks_equals_the_double_loop_and_its_gradient():
    torch.manual_seed(0)
    features = [torch.randn(5, 4, 3 << i, 5, dtype=torch.float64, requires_grad=True) for i in range(4)]
    fast, slow = diversity_loss(features), plain.diversity(features)
    torch.testing.assert_close(fast, slow)
    for a, b in zip(torch.autograd.grad(fast, features), torch.autograd.grad(slow, features), strict=True):
        torch.testing.assert_close(a, b)


def test_diversity_weighs_sorted_values_by_their_place():
    torch.manual_seed(0)
    maps = torch.randn(6, 2, 5, 10, dtype=torch.float64)
    factors = (torch.arange(1, 7) * 2.0 - 6 - 1)[:, None, None, None]
    pairs = (maps.tanh().sort(0).values * factors).sum() / 100
    torch.testing.assert_close(diversity_loss([maps, maps]), -2 / (2 * 1) * 2 * pairs)


def test_its_effective_weight_on_the_mean_distance_is_0_4286():
    torch.manual_seed(0)
    features = [torch.randn(5, 2, 3, 4) for _ in range(8)]
    pairs = [(f[k].tanh() - f[m].tanh()).abs().mean() for f in features for k in range(5) for m in range(k)]
    assert len(pairs) == 80
    assert (-0.15 * diversity_loss(features) / torch.stack(pairs).mean()).item() == pytest.approx(0.4286, abs=1e-4)
