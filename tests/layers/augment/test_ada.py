"""ADA on pyramids and masks: what stays, what moves together, how often, and that gradients pass."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.augment import AdaAugmentation
from pipeline.layers.augment.ada import OPERATIONS, band_gains, cutouts
from pipeline.layers.augment.colour import colour_maps
from pipeline.layers.augment.draws import Draws
from pipeline.layers.augment.geometry import inverse_maps

CPU = torch.device("cpu")
MANY = 20_000


def levels_of(full: Tensor) -> list[Tensor]:
    return [full, F.avg_pool2d(full, 2), F.avg_pool2d(full, 4), F.avg_pool2d(full, 8)]


def batch(count: int = 4, height: int = 32, width: int = 64) -> tuple[list[Tensor], Tensor]:
    """The levels of smooth images, and one-hot masks."""
    torch.manual_seed(5)
    full = F.interpolate(torch.randn(count, 3, 3, 4), size=(height, width), mode="bicubic").clamp(-1, 1)
    field = F.interpolate(torch.randn(count, 3, 3, 4), size=(height, width), mode="bicubic")
    return levels_of(full), F.one_hot(field.argmax(1), 3).movedim(3, 1).float()


@pytest.mark.parametrize("real", [True, False])
def test_strength_0_and_no_operations_change_nothing(real: bool):
    levels, masks = batch()
    for ada in (AdaAugmentation(strength=0.0), AdaAugmentation(strength=1.0, operations=())):
        made, warped = ada(levels, masks, real=real)
        assert warped is masks
        for level, before in zip(made, levels, strict=True):  # the mean of 2 x 2 pixels, summed in another order
            torch.testing.assert_close(level, before, atol=1e-6, rtol=0)


@pytest.mark.parametrize("real", [True, False])
def test_a_mask_drawn_into_the_image_moves_with_the_mask(real: bool):
    _, masks = batch(20, 96, 160)
    levels = levels_of(masks * 2 - 1)
    made, warped = AdaAugmentation(strength=0.8, operations=("blit", "geometry"))(levels, masks, real=real)
    assert (made[0].argmax(1) == warped.argmax(1)).float().mean() > 0.99
    assert (warped != masks).any(3).any(2).any(1).sum() > 15


def test_the_levels_of_a_real_image_are_its_augmented_pyramid():
    levels, masks = batch()
    made, _ = AdaAugmentation(strength=1.0)(levels, masks, real=True)
    for level, expected in zip(made, levels_of(made[0]), strict=True):
        torch.testing.assert_close(level, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_generated_levels_are_augmented_as_the_pyramid_of_a_real_image_is(operation: str):
    levels, masks = batch(12, 64, 96)
    ada = AdaAugmentation(strength=1.0, operations=(operation,))
    torch.manual_seed(1)
    expected, _ = ada(levels, masks, real=True)
    torch.manual_seed(1)
    made, _ = ada(levels, masks, real=False)
    assert torch.equal(made[0], expected[0])
    for level, wanted, before in zip(made[1:], expected[1:], levels[1:], strict=True):
        error, change = ((level - wanted).abs().mean(), (before - wanted).abs().mean())
        assert error < 0.15 * change  # mostly where the lowest level is mirrored


def test_real_masks_become_one_hot_and_generated_ones_stay_soft():
    levels, masks = batch()
    for harden, real, hard in ((True, True, True), (False, True, False), (True, False, False)):
        _, warped = AdaAugmentation(strength=1.0, harden=harden)(levels, masks, real=real)
        torch.testing.assert_close(warped.sum(1), torch.ones(4, 32, 64), atol=1e-5, rtol=0)
        assert bool(((warped == 0) | (warped == 1)).all()) == hard


@pytest.mark.parametrize("real", [True, False])
def test_colour_filter_noise_and_cutout_leave_the_masks_bits(real: bool):
    levels, masks = batch()
    soft = torch.softmax(masks, 1)
    made, warped = AdaAugmentation(strength=1.0, operations=OPERATIONS[2:])(levels, soft, real=real)
    assert warped is soft
    assert not any(map(torch.equal, made, levels))
    moved = []
    for operations in (OPERATIONS, OPERATIONS[:2]):
        torch.manual_seed(0)
        moved.append(AdaAugmentation(strength=1.0, operations=operations)(levels, soft, real=real)[1])
    assert torch.equal(*moved)
    assert not torch.equal(moved[0], soft)


def test_gradients_are_those_of_the_linear_map_that_augmentation_is():
    levels, masks = batch()
    tensors = [tensor.clone().requires_grad_() for tensor in (*levels, torch.softmax(masks, 1))]
    ada = AdaAugmentation(strength=0.7)

    def augment(inputs: list[Tensor]) -> list[Tensor]:
        torch.manual_seed(3)
        made, warped = ada(inputs[:-1], inputs[-1], real=False)
        return [*made, warped]

    steps = [torch.randn_like(tensor) for tensor in tensors]
    outputs = augment(tensors)
    weights = [torch.randn_like(output) for output in outputs]
    gradients = torch.autograd.grad(outputs, tensors, weights)
    moved = augment([tensor.detach() + step for tensor, step in zip(tensors, steps, strict=True)])
    for k in range(len(tensors)):
        expected = ((moved[k] - outputs[k].detach()) * weights[k]).sum()
        torch.testing.assert_close((gradients[k] * steps[k]).sum(), expected, atol=1e-2, rtol=1e-3)
        assert gradients[k].abs().sum() > 0


def untouched(draw: Callable[[Draws], Tensor], neutral: float | Tensor) -> float:
    """How often all of a sample's parameters are `neutral`, at the strength of 0.3."""
    torch.manual_seed(0)
    return float((draw(Draws(count=MANY, strength=0.3, device=CPU)) == neutral).flatten(1).all(1).float().mean())


SAME = torch.eye(3)[:2] + 0.0
RATES = [
    ("acts", lambda draws: draws.acts(), 0.0, 0.7),
    (
        "flip, quarters, shift",
        lambda draws: inverse_maps(draws, (384, 640), blit=True, general=False),
        SAME,
        0.85 * 0.775 * 0.7,
    ),
    (
        "scale, rotation, stretch, shift",
        lambda draws: inverse_maps(draws, (384, 640), blit=False, general=True),
        SAME,
        0.7**4,
    ),
    (
        "brightness, contrast, luma, hue, saturation",
        lambda draws: colour_maps(draws) - torch.eye(3, 4),
        None,
        0.7**4 * 0.85,
    ),
    ("bands", band_gains, 1.0, 0.7**4),
    ("cutout", lambda draws: cutouts(draws, torch.zeros(1, 3, 4, 4)), 1.0, 0.7),
]


@pytest.mark.parametrize(("draw", "neutral", "rate"), [row[1:] for row in RATES], ids=[row[0] for row in RATES])
def test_each_operation_acts_on_its_own_with_the_strength(
    draw: Callable[[Draws], Tensor], neutral: object, rate: float
):
    if neutral is None:  # rounding in the closed form
        found = untouched(lambda draws: (draw(draws).abs() > 1e-6).float(), 0.0)
    else:
        found = untouched(draw, neutral)
    assert found == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / MANY))


def test_noise_acts_with_the_strength_and_its_deviation():
    levels = levels_of(torch.zeros(2000, 3, 8, 8))
    made, _ = AdaAugmentation(strength=0.3, operations=("noise",))(levels, None, real=True)
    deviations = made[0].flatten(1).std(1)
    assert (deviations > 0).float().mean() == pytest.approx(0.3, abs=4 * math.sqrt(0.21 / 2000))
    assert deviations[deviations > 0].square().mean().sqrt() == pytest.approx(0.1, abs=0.012)


def test_band_gains_keep_the_expected_power_of_a_single_change():
    draws = Draws(count=2000, strength=0.3, device=CPU)
    torch.manual_seed(0)
    gains = band_gains(draws)
    torch.manual_seed(0)
    single = draws.acts(4).sum(1) == 1
    assert single.sum() > 500
    power = (gains**2 * torch.tensor([10, 1, 1, 1]) / 13).sum(1)
    torch.testing.assert_close(power[single], torch.ones(int(single.sum())))


def test_a_cutout_is_half_as_wide_and_high_around_a_uniform_place():
    torch.manual_seed(0)
    kept = cutouts(Draws(count=4000, strength=1.0, device=CPU), torch.zeros(1, 3, 32, 64))
    holes = 1 - kept[:, 0]
    assert holes.amax(1).sum(1).max() == 32
    assert holes.amax(2).sum(1).max() == 16
    assert holes.mean() == pytest.approx(0.4375**2, abs=0.005)  # centres near the border leave less of it
    made, _ = AdaAugmentation(strength=1.0, operations=("cutout",))([torch.ones(5, 3, 32, 64)], None, real=True)
    assert set(made[0].unique().tolist()) == {0.0, 1.0}


def test_equal_seeds_give_equal_results_and_types_stay():
    levels, masks = batch()
    ada = AdaAugmentation(strength=0.5)
    runs = []
    for _ in range(2):
        torch.manual_seed(7)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bool(runs)):
            runs.append(ada(levels, masks, real=False))
    assert all(map(torch.equal, runs[0][0], runs[1][0]))
    assert torch.equal(runs[0][1], runs[1][1])
    halves, warped = ada([level.bfloat16() for level in levels], masks.bfloat16(), real=True)
    assert {tensor.dtype for tensor in (*halves, warped)} == {torch.bfloat16}
    assert ada(levels, None, real=False)[1] is None


def test_expanded_and_channels_last_levels_are_augmented_as_plain_ones():
    levels, _ = batch(1)
    plain = [level.repeat(4, 1, 1, 1) for level in levels]
    results = []
    for ones in (
        plain,
        [level.expand(4, -1, -1, -1) for level in levels],
        [one.to(memory_format=torch.channels_last) for one in plain],
    ):
        torch.manual_seed(7)
        results.append(AdaAugmentation(strength=0.8)(ones, None, real=False)[0])
    for other in results[1:]:
        assert all(map(torch.equal, other, results[0]))


def test_a_bad_strength_or_operation_is_named():
    with pytest.raises(UserError, match=r"a probability, found 1\.5; give 0 to 1"):
        AdaAugmentation(strength=1.5)
    with pytest.raises(UserError, match="unknown augmentation hue; there are blit, geometry, colour"):
        AdaAugmentation(strength=0.3, operations=("hue",))
