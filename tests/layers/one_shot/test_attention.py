"""Masked content attention: its contraction, its pick, and masks made hard with the gradient of the soft ones."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.one_shot.attention import at_size, attended, hardened


def one_hot(batch=2, count=3, size=(6, 8)):
    torch.manual_seed(0)
    return F.one_hot(torch.randint(count, (batch, *size)), count).movedim(-1, 1).double()


def test_the_contraction_equals_a_loop_over_objects_and_samples():
    features, masks = torch.randn(2, 5, 6, 8).double(), one_hot()
    found = attended(features, masks)
    for n in range(3):
        for b in range(2):
            expected = sum(masks[b, n, y, x] * features[b, :, y, x] for y in range(6) for x in range(8)) / 48
            torch.testing.assert_close(found[n, b], expected)


def test_objects_of_a_one_hot_mask_sum_to_the_global_average():
    features = torch.randn(2, 5, 6, 8).double()
    torch.testing.assert_close(attended(features, one_hot()).sum(0), features.mean((2, 3)))


def test_the_nearest_pixel_is_the_top_left_one_of_a_cell():
    masks = torch.randn(1, 2, 384, 640)
    assert torch.equal(at_size(masks, (24, 40)), masks[..., ::16, ::16])


@pytest.mark.parametrize("bernoulli", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_straight_through_is_exactly_hard_forward_and_soft_backward(dtype, bernoulli):
    torch.manual_seed(0)
    logits = (3 * torch.randn(2, 3, 60, 80, dtype=dtype)).requires_grad_()
    soft, weight = logits.softmax(1), torch.randn(2, 3, 60, 80, dtype=dtype)
    hard = hardened(soft, bernoulli=bernoulli)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(hard, F.one_hot(soft.argmax(1), 3).movedim(-1, 1).to(dtype)) != bernoulli
    through, straight = (torch.autograd.grad((x * weight).sum(), logits, retain_graph=True)[0] for x in (hard, soft))
    assert torch.equal(through, straight)


def test_bernoulli_draws_have_the_soft_mask_as_their_mean_and_channels_draw_alone():
    torch.manual_seed(0)
    soft = torch.tensor([0.2, 0.7, 0.1])[None, :, None, None].expand(1, 3, 100, 400)
    hard = hardened(soft, bernoulli=True)
    torch.testing.assert_close(hard.mean((0, 2, 3)), soft[0, :, 0, 0], rtol=0, atol=0.01)
    active = hard.sum(1)
    assert set(active.unique().tolist()) == {0, 1, 2, 3}
    torch.testing.assert_close((active == 0).float().mean(), torch.tensor(0.8 * 0.3 * 0.9), rtol=0, atol=0.01)


def test_certain_channels_are_drawn_with_a_thousandth_of_doubt():
    torch.manual_seed(0)
    hard = hardened(torch.zeros(1, 1, 1000, 1000), bernoulli=True)
    assert 800 < int(hard.sum()) < 1200
