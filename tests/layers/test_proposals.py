"""Proposals: every shortcut against the plain decoder, seeds in both readings."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.clutter import Decoder, Encoder
from pipeline.layers.proposals import Proposals, SceneDecoder, every_cell, foreground, merge
from tests.layers.plain_decoder import decode

CHANNELS = (8, 16, 32, 32, 64, 64)


def proposals(**changes):
    torch.manual_seed(0)
    decoder = Decoder(CHANNELS, (1, 2, 3, 3, 3, 3), logit_norm=True)
    choice = {"targeted": True, "seeds": "target"} | changes
    return Proposals(target=Encoder(CHANNELS), scene=Encoder(CHANNELS), decoder=decoder, **choice)


@torch.no_grad()
def test_shared_skips_equal_the_plain_decoder():
    network = proposals()
    skips, seeds = network.scene(torch.rand(2, 3, 96, 96)), torch.rand(2, 5, CHANNELS[-1])
    cells = torch.tensor([[0, 11, 66, 132, 143], [5, 5, 70, 71, 1]])
    found = SceneDecoder(network.decoder, skips)(seeds, cells)
    torch.testing.assert_close(found, decode(network.decoder, skips, seeds, cells), atol=1e-5, rtol=1e-4)


def test_shared_skips_have_the_plain_decoders_gradients():
    network = proposals().double()
    scenes, seeds, cells = torch.rand(1, 3, 96, 96).double(), torch.rand(1, 3, CHANNELS[-1]).double(), [[3, 80, 80]]
    gradients = []
    for way in (lambda d, s, t, c: SceneDecoder(d, s)(t, c), decode):
        network.zero_grad()
        logits = way(network.decoder, network.scene(scenes), seeds, torch.tensor(cells))
        logits.sigmoid().square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        # Layer norm computes in float32 on either way.
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-4, rtol=1e-3, msg=name)


@torch.no_grad()
def test_a_merged_kernel_convolves_the_doubled_image():
    x, weight = torch.rand(2, 3, 6, 5), torch.rand(4, 3, 3, 3)
    doubled = F.interpolate(x, scale_factor=2, mode="nearest")
    found = F.conv_transpose2d(x, merge(weight), stride=2, padding=1)
    torch.testing.assert_close(found, F.conv2d(doubled, weight, padding=1), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_seeds_with_and_without_the_heat_factor_agree():
    plain, heated = proposals(), proposals(seeds="heat")
    heated.load_state_dict(plain.state_dict())
    scenes = plain.look(torch.rand(1, 3, 96, 96))
    cells = torch.tensor([[0, 50, 143]])
    target = plain.target.embed(torch.rand(1, 3, 32, 32))
    torch.testing.assert_close(heated(target, scenes, cells), plain(target, scenes, cells), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_untargeted_proposals_do_not_see_the_target():
    network = proposals(targeted=False)
    scenes, cells = network.look(torch.rand(1, 3, 96, 96)), torch.tensor([[7, 90]])
    first, second = (network(torch.rand(1, CHANNELS[-1]), scenes, cells) for _ in range(2))
    assert torch.equal(first, second)


@torch.no_grad()
def test_144_proposals_one_by_one_equal_the_batched_ones():
    network = proposals()
    scenes, target = network.look(torch.rand(2, 3, 96, 96)), torch.rand(2, CHANNELS[-1])
    pieces = every_cell(scenes)
    assert torch.equal(torch.cat(pieces, 1), torch.arange(144).expand(2, -1))
    together = torch.cat([network(target, scenes, cells) for cells in pieces], 1)
    single = [network(target, scenes, torch.full((2, 1), cell)) for cell in range(144)]
    torch.testing.assert_close(torch.cat(single, 1), together, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shape", [(2, 2, 4, 4), (3, 5, 2, 4, 4)])
def test_foreground_is_the_softmax_of_the_second_map(shape):
    logits = torch.randn(shape)
    torch.testing.assert_close(foreground(logits), logits.softmax(-3).select(-3, 1))
