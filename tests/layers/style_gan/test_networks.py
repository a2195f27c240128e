"""StyleGAN2's layers against plain ones, its published numbers of parameters, and what noise and truncation do."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.layers.style_gan.discriminator import Discriminator, with_deviation
from pipeline.layers.style_gan.equalized import EqualizedLinear, activate
from pipeline.layers.style_gan.generator import Generator, widths
from pipeline.layers.style_gan.mapping import Mapping, mixed
from pipeline.layers.style_gan.modulation import ModulatedConv
from pipeline.layers.style_gan.resampling import blur, doubled


def count(module):
    return sum(p.numel() for p in module.parameters())


def small(**changes):
    torch.manual_seed(0)
    numbers = {"start": (2, 3), "channels": (6, 6, 4), "latent": 8, "mapping": 2, "heads": {"image": 3, "mask": 2}}
    return Generator(**numbers | changes)


# Modulated convolutions.


def plain_kernels(layer, style):
    """Equations 1 to 3, a sample at a time."""
    scale = layer.style(style)
    kernels = layer.weight[None] * layer.gain * scale[:, None, :, None, None]
    if layer.demodulate:
        kernels = kernels / (kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    return kernels


def zeros_between(x):
    """(.., H, W) -> (.., 2H, 2W), a zero after every value."""
    wide = x.new_zeros(*x.shape[:-2], 2 * x.shape[-2], 2 * x.shape[-1])
    wide[..., ::2, ::2] = x
    return wide


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel", [1, 3])
def test_modulation_of_the_input_is_that_of_the_weight(kernel, demodulate):
    torch.manual_seed(0)
    layer = ModulatedConv(5, 4, kernel, 8, demodulate=demodulate).double()
    x, style = torch.randn(3, 5, 6, 7).double(), torch.randn(3, 8).double()
    plain = torch.cat(
        [F.conv2d(one[None], k, padding=kernel // 2) for one, k in zip(x, plain_kernels(layer, style), strict=True)]
    )
    torch.testing.assert_close(layer(x, style), plain, rtol=1e-6, atol=1e-7)


def test_doubling_puts_zeros_between_convolves_and_filters():
    torch.manual_seed(0)
    layer = ModulatedConv(5, 4, 3, 8, double=True).double()
    x, style = torch.randn(2, 5, 4, 3).double(), torch.randn(2, 8).double()
    plain = []
    for one, kernel in zip(x, plain_kernels(layer, style), strict=True):
        wide = F.conv2d(F.pad(zeros_between(one)[None], (2, 1, 2, 1)), kernel.flip(2, 3))
        plain.append(blur(wide, (1, 1), gain=4))
    assert layer(x, style).shape == (2, 4, 8, 6)
    torch.testing.assert_close(layer(x, style), torch.cat(plain), rtol=1e-6, atol=1e-7)


def test_demodulated_outputs_have_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    layer = ModulatedConv(32, 16, 3, 8)
    deviation = layer(torch.randn(64, 32, 16, 16), 3 * torch.randn(64, 8))[..., 1:-1, 1:-1].std((0, 2, 3))
    torch.testing.assert_close(deviation, torch.ones(16), atol=0.05, rtol=0)


def test_activation_keeps_the_second_moment_near_one():
    torch.manual_seed(0)
    assert float(activate(torch.randn(100_000)).square().mean()) == pytest.approx(1.04, abs=0.02)


def test_equalized_rate_changes_steps_but_no_outputs():
    for rate in (1, 0.01):
        torch.manual_seed(0)
        layer = EqualizedLinear(4, 2, rate=rate, bias=1 / rate)
        torch.manual_seed(0)
        weight = torch.randn(2, 4)
        torch.testing.assert_close(layer(torch.ones(1, 4)), weight.sum(1)[None] / 2 + 1)


# Resampling.


def test_doubling_is_zeros_between_and_a_filter_that_keeps_constants():
    x = torch.randn(1, 2, 4, 5).double()
    torch.testing.assert_close(doubled(x), blur(zeros_between(x), (2, 1), gain=4))
    assert torch.equal(doubled(torch.ones(1, 1, 4, 4))[..., 1:-1, 1:-1], torch.ones(1, 1, 6, 6))


def test_the_filter_is_the_binomial():
    point = torch.zeros(1, 1, 7, 7)
    point[..., 3, 3] = 64
    assert blur(point, (0, 0))[0, 0].int().tolist() == [[a * b for b in (1, 3, 3, 1)] for a in (1, 3, 3, 1)]


# Whole networks.


def test_published_parameters_at_1024():
    channels = widths(9, 32768, 512)
    assert channels == [512, 512, 512, 512, 512, 256, 128, 64, 32]
    with torch.device("meta"):
        numbers = {"start": (4, 4), "channels": channels, "latent": 512, "heads": {"image": 3}}
        assert count(Generator(**numbers, mapping=8)) == 30_370_060
        assert count(Generator(**numbers, mapping=2)) == 28_794_124
        assert count(Discriminator(start=(4, 4), channels=channels)) == 29_012_513


def test_a_start_grid_of_the_pair_gives_384_by_640():
    with torch.device("meta"):
        channels = widths(8, 32768, 512)
        network = Generator(start=(3, 5), channels=channels, latent=512, mapping=8, heads={"image": 3, "mask": 2})
        made = network(torch.zeros(1, network.layers, 512), None)
        assert network.layers == 16
        assert {name: head.shape for name, head in made.heads.items()} == {
            "image": (1, 3, 384, 640),
            "mask": (1, 2, 384, 640),
        }
        assert [f.shape[2:] for f in made.features[:2]] == [(3, 5), (6, 10)]
        assert len(made.features) == 15
        logits = Discriminator(start=(3, 5), channels=channels)(torch.zeros(2, 3, 384, 640))
        assert logits.shape == (2,)


def test_noise_starts_with_no_strength_and_constant_noise_repeats():
    network = small()
    styles = network.broadcast(network.mapping(torch.randn(2, 8)))
    silent = network(styles, None).heads["image"]
    assert torch.equal(network(styles, None).heads["image"], silent)
    assert torch.equal(network(styles, network.random_noise(2)).heads["image"], silent)
    with torch.no_grad():
        for level in network.levels:
            for layer in level.layers:
                layer.strength.fill_(1)
    loud = network(styles, network.constant_noise()).heads["image"]
    assert torch.equal(network(styles, network.constant_noise()).heads["image"], loud)
    assert not torch.allclose(network(styles, network.random_noise(2)).heads["image"], loud)


def test_heads_are_sums_of_skips():
    network = small()
    styles = torch.randn(2, network.layers, 8)
    made = network(styles, None)
    plain = 0
    for number, level in enumerate(network.levels):
        feature = made.features[2 * number]
        plain = (doubled(plain) if number else 0) + level.heads["mask"](feature, styles[:, 2 * number + 1])
    torch.testing.assert_close(made.heads["mask"], plain)


def test_truncation_pulls_the_first_layers_to_the_mean():
    network = small()
    network.mapping.mean.fill_(2)
    z = torch.randn(3, 8)
    found, style = network.truncated(z, 0.7, 4), network.mapping(z)
    torch.testing.assert_close(found[:, 0], 2 + 0.7 * (style - 2))
    torch.testing.assert_close(found[:, 3], found[:, 0])
    assert torch.equal(found[:, 4], style)


def test_mapping_ignores_the_length_of_a_latent():
    network, z = Mapping(8, 2), torch.randn(3, 8)
    torch.testing.assert_close(network(z), network(5 * z))
    network.follow(torch.ones(3, 8))
    torch.testing.assert_close(network.mean, torch.full((8,), 0.005))


def test_mixing_cuts_once_and_takes_something_of_both():
    torch.manual_seed(0)
    first, second = torch.zeros(2000, 6, 1), torch.ones(2000, 6, 1)
    found = mixed(first, second, 0.9)[..., 0]
    assert (found.diff(dim=1) >= 0).all()
    assert found[:, 0].eq(0).all()
    assert float(found[:, -1].mean()) == pytest.approx(0.9, abs=0.03)
    assert found.sum(1).unique().tolist() == [0, 1, 2, 3, 4, 5]
    assert torch.equal(mixed(first, second, 0), first)


def test_minibatch_deviation_by_hand():
    x = torch.zeros(8, 1, 1, 2)
    x[0, 0, 0, 0], x[4, 0, 0, 0] = 1, -1  # samples 0, 2, 4, 6 are one group
    plane = with_deviation(x)[:, 1]
    assert plane.shape == (8, 1, 2)
    torch.testing.assert_close(plane[0::2], torch.full((4, 1, 2), 0.5**0.5 / 2 + 5e-5), atol=1e-5, rtol=0)
    torch.testing.assert_close(plane[1::2], torch.full((4, 1, 2), 1e-4))


@pytest.mark.parametrize(("batch", "groups"), [(1, 1), (4, 1), (6, 2), (5, 5)])
def test_groups_are_the_largest_divisor_up_to_four(batch, groups):
    plane = with_deviation(torch.randn(batch, 2, 3, 3))[:, 2, 0, 0]
    assert len(plane.unique()) == (1 if batch == 5 else groups)
