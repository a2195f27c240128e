"""The reduced set: decisions for the batch, parameters for the sample, one map for all levels and the mask."""

import math

import pytest
import torch
import torch.nn.functional as F

from pipeline.errors import UserError
from pipeline.layers.augment import ReducedAugmentation
from pipeline.layers.augment.reduced import Places, draw_places
from tests.layers.augment.test_ada import batch, levels_of

FULL = torch.zeros(4, 3, 48, 80)


def places(**parameters: torch.Tensor) -> Places:
    neutral = {
        "shifts": torch.zeros(1, 2), "mirror": torch.ones(1, 1), "linear": torch.eye(2)[None], "offset": torch.zeros(1, 2)
    }  # fmt: skip
    return Places(**(neutral | parameters))


def test_strength_0_changes_nothing():
    levels, masks = batch()
    made, warped = ReducedAugmentation(strength=0.0)(levels, masks, real=True)
    assert warped is masks
    assert all(map(torch.equal, made, levels))


def test_shifts_fill_with_the_mirrored_strip_and_flips_flip():
    picture = torch.rand(1, 2, 20, 40)
    shifted = places(shifts=torch.tensor([[2 * 8 / 40, -2 * 3 / 20]])).sample(picture)  # 8 to the right, 3 up
    expected = torch.cat((picture[..., :8].flip(3), picture[..., :-8]), 3)
    expected = torch.cat((expected[:, :, 3:], expected[:, :, -3:].flip(2)), 2)
    torch.testing.assert_close(shifted, expected, atol=1e-5, rtol=0)
    flipped = places(mirror=-torch.ones(1, 1)).sample(picture)
    torch.testing.assert_close(flipped, picture.flip(3), atol=1e-5, rtol=0)


def test_operations_act_on_the_whole_batch_as_often_as_stated():
    torch.manual_seed(0)
    drawn = [draw_places(3, 0.7, FULL) for _ in range(800)]
    shares = {
        "flip": (0.7, [one.mirror == -1 for one in drawn]),
        "shift along x": (0.7, [one.shifts[:, :1] != 0 for one in drawn]),
        "shift along y": (0.7, [one.shifts[:, 1:] != 0 for one in drawn]),
        "rotation": (0.35, [one.linear[:, 0, 1] != 0 for one in drawn]),
        "enlargement": (0.35, [one.linear.det() < 0.26 for one in drawn if one.linear[0, 0, 1] == 0 and cropless(one)]),
    }
    for name, (share, found) in shares.items():
        assert all(one.all() == one.any() for one in found), name
        rate = float(torch.stack([one.any() for one in found]).float().mean())
        assert rate == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / len(found))), name


def cropless(one: Places) -> bool:
    """Neither crop acts: the area is all of the image, or a quarter."""
    area = one.linear.det()
    return bool(torch.isclose(area, torch.tensor(1.0)).all() or torch.isclose(area, torch.tensor(0.25)).all())


def test_parameters_are_those_stated():
    torch.manual_seed(0)
    drawn = draw_places(4000, 1.0, FULL)  # enlarged or not, with a crop or a rotation
    pixels = drawn.shifts.abs() * torch.tensor([80, 48]) / 2
    torch.testing.assert_close(pixels, pixels.round(), atol=1e-4, rtol=0)
    assert pixels[:, 0].min() == 4
    assert pixels[:, 0].max() == pytest.approx(24, abs=1.001)
    assert drawn.shifts.mean(0).abs().max() < 0.03
    seen = set()
    for _ in range(20):
        one = draw_places(200, 1.0, FULL)
        side = one.linear.det().sqrt()
        enlarged, turned = bool(side.max() <= 0.5), bool((one.linear[:, 0, 1] != 0).any())
        seen.add((enlarged, turned))
        side = side * (1 + enlarged)
        if turned:
            torch.testing.assert_close(side, torch.full((200,), 0.8))
            angles = torch.atan2(one.linear[:, 1, 0] * 48, one.linear[:, 0, 0] * 80).rad2deg()
            assert 7 < angles.abs().max() <= 8
        else:
            assert 0.75 <= side.min() < 0.77 < 0.98 < side.max() <= 1
            reach = one.offset.abs() + one.linear.diagonal(dim1=1, dim2=2)
            assert reach.max() <= 1 + 1e-6  # a crop stays inside
    assert seen == {(a, b) for a in (True, False) for b in (True, False)}


def test_masks_move_with_the_image_stay_soft_and_sum_to_one():
    _, masks = batch(6, 96, 160)
    for _ in range(5):
        made, warped = ReducedAugmentation(strength=0.9)(levels_of(masks), masks, real=True)
        torch.testing.assert_close(made[0], warped)
        torch.testing.assert_close(warped.sum(1), torch.ones(6, 96, 160), atol=1e-5, rtol=0)
    _, hard = ReducedAugmentation(strength=0.9, harden=True)(levels_of(masks), masks, real=True)
    assert set(hard.unique().tolist()) == {0.0, 1.0}


def test_a_level_sampled_alone_equals_one_enlarged_sampled_and_resized_back():
    levels, _ = batch(4, 48, 80)
    torch.manual_seed(2)
    for _ in range(5):
        found = draw_places(4, 0.7, FULL)
        enlarged = F.interpolate(levels[2], size=(48, 80), mode="bilinear", align_corners=False)
        plain = F.interpolate(found.sample(enlarged), size=(12, 20), mode="bilinear", align_corners=False)
        assert (found.sample(levels[2]) - plain).abs().mean() < 0.02


def test_gradients_reach_every_level_and_the_mask():
    levels, masks = batch()
    tensors = [tensor.clone().requires_grad_() for tensor in (*levels, masks)]
    made, warped = ReducedAugmentation(strength=0.7)(tensors[:-1], tensors[-1], real=False)
    weights = [torch.randn_like(output) for output in (*made, warped)]
    assert all(one.abs().sum() > 0 for one in torch.autograd.grad([*made, warped], tensors, weights))


def test_equal_seeds_give_equal_results_and_types_stay():
    levels, masks = batch()
    reduced = ReducedAugmentation(strength=0.7)
    runs = []
    for _ in range(2):
        torch.manual_seed(7)
        runs.append(reduced(levels, masks, real=True))
    assert all(map(torch.equal, runs[0][0], runs[1][0]))
    made, warped = reduced([level.bfloat16() for level in levels], masks.bfloat16(), real=True)
    assert {tensor.dtype for tensor in (*made, warped)} == {torch.bfloat16}


def test_a_bad_strength_is_named():
    with pytest.raises(UserError, match="a probability, found -1; give 0 to 1"):
        ReducedAugmentation(strength=-1)
