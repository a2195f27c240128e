"""FCN-32s: shapes, parameters, torchvision's classifier as convolutions, and the bilinear upsampling."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.errors import UserError
from pipeline.layers.fcn32 import Fcn32, upsample


def plain(cells, height, width, offset, kernel=64):
    """The transposed convolution that `upsample` stands for: weights by the closed formula, then a crop."""
    ramp = 1 - (torch.arange(kernel) - (kernel - 1) / 2).abs() / 32
    weight = torch.outer(ramp, ramp).expand(cells.shape[1], 1, -1, -1)
    whole = F.conv_transpose2d(cells, weight, stride=32, groups=cells.shape[1])
    return whole[..., offset : offset + height, offset : offset + width]


def test_parameter_count():
    with torch.device("meta"):
        assert sum(p.numel() for p in Fcn32().parameters()) == 134_260_544


@pytest.mark.parametrize(
    ("size", "padding", "pool5", "fc7"),
    [
        ((500, 500), 121, (24, 24), (18, 18)),
        ((375, 500), 121, (20, 24), (14, 18)),
        ((500, 500), 100, (22, 22), (16, 16)),
    ],
)
def test_shapes(size, padding, pool5, fc7):
    with torch.device("meta"):
        network, pictures = Fcn32(first_padding=padding), torch.zeros(1, 3, *size)
        assert network.pool5(pictures).shape == (1, 512, *pool5)
        assert network.features(pictures).shape == (1, 4096, *fc7)


@pytest.mark.parametrize(("kernel", "offset"), [(64, 40), (64, 19), (63, 18)])
def test_upsampling_is_the_transposed_convolution(kernel, offset):
    cells = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(upsample(cells, 100, 130, offset, kernel), plain(cells, 100, 130, offset, kernel))


def test_an_even_map_stays_even_inside():
    whole = upsample(torch.ones(1, 1, 18, 18), 608, 608, 0)
    assert torch.equal(whole[..., 32:-32, 32:-32], torch.ones(1, 1, 544, 544))
    assert torch.equal(upsample(torch.ones(1, 1, 18, 18), 500, 500, 40), torch.ones(1, 1, 500, 500))


@pytest.mark.parametrize("padding", [121, 100])
def test_a_cell_peaks_over_the_centre_of_what_it_sees(padding):
    offset = Fcn32(width=64, first_padding=padding).offset
    cells = torch.zeros(1, 1, 7, 7)
    cells[0, 0, 3, 2] = 1
    found = upsample(cells, 200, 200, offset)[0, 0]
    rows, columns = (found == found.max()).nonzero(as_tuple=True)
    assert rows.float().mean() == 32 * 3 + 31.5 - offset
    assert columns.float().mean() == 32 * 2 + 31.5 - offset
    # fc6 adds 3 cells, five poolings half of their stride, and the first padding takes off all but one pixel.
    assert 31.5 - offset == 3 * 32 + (1 + 2 + 4 + 8 + 16) / 2 - (padding - 1)


@pytest.mark.parametrize("side", [16, 33, 70])
def test_small_pictures_are_covered(side):
    network = Fcn32(width=64, first_padding=121).eval()
    cells = network.features(torch.zeros(1, 3, side, side + 5))
    assert upsample(torch.ones_like(cells[:, :1]), side, side + 5, network.offset).min() == 1


def test_dropout_while_training_alone():
    torch.manual_seed(0)
    network, picture = Fcn32(width=64), torch.randn(1, 3, 48, 48)
    assert not torch.equal(network.features(picture), network.features(picture))
    assert torch.equal(network.eval().features(picture), network.features(picture))


def torchvision_weights(network):
    """Made-up tensors of torchvision's names and shapes for a network of any width."""
    generator = torch.Generator().manual_seed(1)
    made = {name: torch.randn(p.shape, generator=generator) for name, p in network.vgg.named_parameters()}
    for name, layer in (("classifier.0", network.fc6), ("classifier.3", network.fc7)):
        made[f"{name}.weight"] = torch.randn(layer.weight.shape, generator=generator).flatten(1)
        made[f"{name}.bias"] = torch.randn(layer.bias.shape, generator=generator)
    return made


@torch.no_grad()
def test_torchvisions_classifier_becomes_convolutions():
    network = Fcn32(width=64).eval()
    weights = torchvision_weights(network)
    network.load_torchvision(weights)
    x = torch.randn(1, network.vgg.channels[-1], 7, 7)
    wanted = x.flatten(1) @ weights["classifier.0.weight"].T + weights["classifier.0.bias"]
    torch.testing.assert_close(network.fc6(x).flatten(1), wanted, atol=1e-4, rtol=1e-4)


def test_weights_of_another_network_are_one_line():
    network = Fcn32(width=64)
    weights = torchvision_weights(network)
    weights["classifier.0.weight"] = weights["classifier.0.weight"][:, :-1]
    with pytest.raises(
        UserError, match=r"not those of torchvision's VGG-16: classifier\.0\.weight should have 64 rows"
    ):
        network.load_torchvision(weights)
