"""AlexNet: parameters of both layouts, torchvision's tensors and features, and cells over what they see."""

import pytest
import torch
from torch import nn

from pipeline.errors import UserError
from pipeline.layers.alexnet import KERNEL, OFFSET, AlexNet, AlexNetClassifier, FcnAlexNet


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("layout", "classifier", "fcn"), [("caffe", 60_965_224, 56_868_224)])
def test_parameters_of_caffes_layout(layout, classifier, fcn):
    with torch.device("meta"):
        assert (count(AlexNetClassifier(layout)), count(FcnAlexNet(layout))) == (classifier, fcn)


@torch.no_grad()
def test_torchvisions_tensors_load_and_give_its_scores():
    from torchvision.models import alexnet

    torch.manual_seed(0)
    published, pictures = alexnet(weights=None).eval(), torch.randn(1, 3, 224, 224)
    network = AlexNetClassifier("torchvision").eval()
    network.load_published(published.state_dict())
    assert count(network) == 61_100_840
    torch.testing.assert_close(network(pictures), published(pictures), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layout", ["caffe", "torchvision"])
@pytest.mark.parametrize(("side", "cells"), [(224, 6), (64, 1)])
def test_sides_at_pool5(layout, side, cells):
    with torch.device("meta"):
        assert AlexNet(layout)(torch.zeros(1, 3, side, side)).shape == (1, 256, cells, cells)
        assert AlexNetClassifier(layout, side=side)(torch.zeros(1, 3, side, side)).shape == (1, 1000)


def test_a_cell_lies_over_the_centre_of_what_it_sees():
    # conv1 sees 11 pixels from -100 on and steps by 4; poolings of 3 add a stride each, fc6 of 6 cells two and a half.
    centre = -100 + 5 + 4 + 8 + 16 + 2.5 * 32
    assert centre == (KERNEL - 1) / 2 - OFFSET
    network = FcnAlexNet("caffe", width=16)
    cells = torch.zeros(1, 1, 4, 4)
    cells[0, 0, 2, 1] = 1
    found = network.enlarge(cells, 120, 120)[0, 0]
    assert (found == found.max()).nonzero().tolist() == [[64 + centre, 32 + centre]]


@pytest.mark.parametrize("side", [33, 64, 90])
def test_small_pictures_are_covered(side):
    network = FcnAlexNet("torchvision", width=16).eval()
    cells = network.features(torch.zeros(1, 3, side, side))
    found = network.enlarge(torch.ones_like(cells[:, :1]), side, side)
    assert found[0, 0, 0, 0] == (1 - 13 / 32) ** 2  # no cell lies before the first, 13 pixels from the edge
    assert found.min() > 0


def test_the_other_layouts_weights_are_one_line():
    weights = AlexNetClassifier("torchvision", width=16).state_dict()
    tensors = {name.removeprefix("alexnet."): tensor for name, tensor in weights.items()}
    with pytest.raises(UserError, match=r"not those of AlexNet in caffe's layout: features\.0\.weight"):
        AlexNet("caffe", width=16).load_published(tensors)
