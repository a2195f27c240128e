"""The layers of the clutter paper: shapes, parameter counts, paddings, invariances (specification, sections 3 and 8)."""

import math

import pytest
import torch

from pipeline.layers.clutter import Block, Decoder, Encoder, initialize, layer_norm, weight_groups

CHANNELS = (48, 96, 192, 192, 384, 384)


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_are_the_published_ones():
    assert count(Encoder(CHANNELS)) == 984_096
    assert count(Decoder(CHANNELS, (1, 2, 3, 3, 3, 3), logit_norm=True)) == 1_255_730


def test_the_scene_encoder_keeps_its_cells_and_the_target_encoder_pools_to_one():
    encoder = Encoder((4, 8, 16, 16, 32, 32))
    sides = [tuple(skip.shape[1:]) for skip in encoder(torch.rand(1, 3, 96, 96))]
    assert sides == [(4, 96, 96), (8, 48, 48), (16, 24, 24), (16, 12, 12), (32, 12, 12), (32, 12, 12)]
    assert encoder.embed(torch.rand(2, 3, 32, 32)).shape == (2, 32)


@pytest.mark.parametrize(
    ("kernel", "dilation", "offsets"), [(2, 1, {0, -1}), (2, 2, {-1, 1}), (3, 1, {-1, 0, 1}), (1, 1, {0})]
)
def test_impulse_response_shows_the_padding(kernel, dilation, offsets):
    # A 2x2 kernel reads offsets 0 and +1, so that an impulse is seen at offsets 0 and -1.
    block = Block(1, 1, kernel, relu=False, norm=False)
    torch.nn.init.ones_(block.conv.weight)
    x = torch.zeros(1, 1, 9, 9)
    x[0, 0, 4, 4] = 1
    seen = block(x, dilation=dilation)[0, 0].nonzero() - 4
    assert {(int(y), int(x)) for y, x in seen} == {(y, x) for y in offsets for x in offsets}


def test_layer_norm_normalizes_each_sample_over_all_of_it():
    x = torch.randn(3, 5, 6, 7) * 10 + 4
    y = layer_norm(x)
    torch.testing.assert_close(y.mean((1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var((1, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0)
    shift = torch.arange(5.0)
    torch.testing.assert_close(layer_norm(x, shift), y + shift[:, None, None], atol=1e-5, rtol=1e-5)


def test_initial_weights_are_truncated_normal_of_variance_two_over_n():
    weight = torch.empty(192, 192, 3, 3)
    initialize(weight)
    n = 9 * 192
    assert weight.var().item() == pytest.approx(2 / n, rel=0.02)
    assert weight.abs().max().item() <= 2 * math.sqrt(2.6 / n) + 1e-7


def test_decay_is_on_convolutions_alone():
    decayed, exempt = weight_groups(Encoder((4, 8, 16, 16, 32, 32)), 1e-9)
    assert (decayed["weight_decay"], exempt["weight_decay"]) == (1e-9, 0.0)
    assert {p.dim() for p in decayed["params"]} == {4}
    assert {p.dim() for p in exempt["params"]} == {1}
