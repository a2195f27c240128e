"""The trunk: counts, names and features of torchvision's VGG, and channels divided by their means (specification, 3.1)."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from pipeline.errors import UserError
from pipeline.layers.vgg import Trunk, normalized

CUTS = {"vgg19": ("E", (1, 6, 11, 20, 29)), "vgg16": ("D", (1, 6, 11, 18, 25))}
"""Torchvision's letter, and where its ReLU of conv1_1 .. conv5_1 stands."""


@pytest.mark.parametrize(("depth", "parameters"), [("vgg19", 12_944_960), ("vgg16", 9_995_072)])
def test_parameter_counts(depth, parameters):
    with torch.device("meta"):
        assert sum(p.numel() for p in Trunk(depth).parameters()) == parameters


def test_shapes_of_every_map():
    with torch.device("meta"):
        maps = Trunk("vgg19")(torch.zeros(1, 3, 256, 256))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 256, 256),
        (128, 128, 128),
        (256, 64, 64),
        (512, 32, 32),
        (512, 16, 16),
    ]


def test_sides_are_halved_rounding_down_to_one_pixel_at_least():
    maps = Trunk("vgg19", width=8)(torch.zeros(1, 3, 50, 8))
    assert [tuple(m.shape[-2:]) for m in maps] == [(50, 8), (25, 4), (12, 2), (6, 1), (3, 1)]


def torchvision_layers(depth):
    from torchvision.models.vgg import cfgs, make_layers

    letter, cuts = CUTS[depth]
    torch.manual_seed(0)
    return make_layers(cfgs[letter]), cuts


@pytest.mark.parametrize("depth", CUTS)
@torch.no_grad()
def test_torchvisions_tensors_load_and_give_its_features(depth):
    layers, cuts = torchvision_layers(depth)
    trunk = Trunk(depth)
    trunk.load_torchvision({f"features.{name}": tensor for name, tensor in layers.state_dict().items()})
    x = torch.randn(1, 3, 32, 48)
    found = trunk(x)
    assert bool(trunk.pretrained)
    for number, layer in enumerate(layers[: cuts[-1] + 1]):
        layer.inplace = False
        x = layer(x)
        if number in cuts:
            torch.testing.assert_close(found[cuts.index(number)], x, atol=1e-5, rtol=1e-4)


def test_foreign_weights_are_one_line():
    with pytest.raises(
        UserError, match=r"no features.0.weight of shape \(8, 3, 3, 3\): they are not torchvision's VGG"
    ):
        Trunk("vgg19", width=8).load_torchvision({"conv1_1.weight": torch.zeros(1)})


@torch.no_grad()
def test_calibrated_channels_have_mean_one_and_silent_ones_stay_silent():
    torch.manual_seed(0)
    trunk = Trunk("vgg19", width=8)
    trunk.features["0"].bias[3] = -1e4  # never active
    images = interpolate(torch.rand(4, 3, 8, 8), scale_factor=8).mul(255).to(torch.uint8)
    trunk.calibrate(normalized(images))
    maps = trunk(normalized(images))
    means = maps[0].mean((0, 2, 3))
    assert means[3] == 0
    torch.testing.assert_close(means[torch.arange(8) != 3], torch.ones(7), atol=1e-4, rtol=0)
    assert all(m.isfinite().all() for m in maps)
    assert bool(trunk.calibrated)


def test_pictures_are_normalized_as_torchvision_does():
    images = torch.tensor([0, 128, 255], dtype=torch.uint8)[None, :, None, None]
    wanted = torch.tensor([(0 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    torch.testing.assert_close(normalized(images).flatten(), wanted)


def test_its_convolutions_alone_are_trained():
    trunk = Trunk("vgg19", width=8)
    assert len(list(trunk.parameters())) == 2 * sum(isinstance(m, nn.Conv2d) for m in trunk.modules()) == 26
