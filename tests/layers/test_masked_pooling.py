"""Pooling without enlarging equals pooling of the enlarged map; cosines against torch's own (specification, 8 and 9.16)."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.masked_pooling import cosine_map, masked_mean, shrunk

SIZES = [((5, 7), (37, 51)), ((47, 63), (375, 500)), ((3, 4), (3, 4)), ((1, 6), (8, 48))]


def plain_masked_mean(features, masks):
    """As the paper has it: enlarge, multiply, sum, divide."""
    enlarged = F.interpolate(features, masks.shape[-2:], mode="bilinear", align_corners=False)
    return (enlarged * masks[:, None]).sum((2, 3)) / masks.sum((1, 2)).clamp(min=1)[:, None]


def drawn(small, large, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 6, *small, generator=generator, dtype=dtype)
    return features, torch.rand(2, *large, generator=generator) > 0.7


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_it_equals_the_mean_of_the_enlarged_map(small, large):
    features, masks = drawn(small, large)
    torch.testing.assert_close(masked_mean(features, masks), plain_masked_mean(features, masks), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_shrinking_is_the_transpose_of_enlarging(small, large):
    features, masks = drawn(small, large)
    maps = features[:, :1].requires_grad_()
    enlarged = F.interpolate(maps, large, mode="bilinear", align_corners=False)
    enlarged.backward(masks[:, None].float())
    found = shrunk(masks.float(), small)
    torch.testing.assert_close(found, maps.grad[:, 0], atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(found.sum((1, 2)), masks.sum((1, 2)).float())


def test_each_mask_is_divided_by_its_own_sum():
    features, masks = drawn((5, 7), (37, 51))
    masks[1] &= torch.rand(37, 51) > 0.9
    alone = [masked_mean(features[b : b + 1], masks[b : b + 1]) for b in range(2)]
    torch.testing.assert_close(masked_mean(features, masks), torch.cat(alone))


def test_an_empty_mask_gives_zeros():
    features, masks = drawn((5, 7), (37, 51))
    assert masked_mean(features, torch.zeros_like(masks)).eq(0).all()


def test_autocast_does_not_round_it():
    features, masks = drawn((5, 7), (37, 51))
    vectors = masked_mean(features, masks)
    with torch.autocast("cpu", torch.bfloat16):
        assert masked_mean(features, masks).equal(vectors)
        assert cosine_map(features, vectors).dtype == torch.float32


def test_cosines_are_torchs_and_lie_between_minus_one_and_one():
    features, masks = drawn((9, 11), (37, 51))
    vectors = masked_mean(features, masks)
    found = cosine_map(features, vectors)
    torch.testing.assert_close(found, F.cosine_similarity(features, vectors[:, :, None, None], dim=1))
    assert found.abs().max() <= 1 + 1e-6
    assert found.min() < 0 < found.max()


def test_the_length_of_a_vector_leaves_its_cosines_alone():
    features, masks = drawn((9, 11), (37, 51))
    vectors = masked_mean(features, masks)
    torch.testing.assert_close(cosine_map(features, 7 * vectors), cosine_map(features, vectors))


def test_zeros_are_like_nothing():
    features, _ = drawn((5, 7), (37, 51))
    assert cosine_map(features, torch.zeros(2, 6)).eq(0).all()
    assert cosine_map(torch.zeros(2, 6, 5, 7), torch.ones(2, 6)).eq(0).all()
