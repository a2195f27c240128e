"""VGG-16 as a classifier: parameters, and torchvision's tensors and scores."""

import pytest
import torch

from pipeline.layers.vgg16_classifier import Vgg16Classifier


def test_parameter_count():
    with torch.device("meta"):
        assert sum(p.numel() for p in Vgg16Classifier().parameters()) == 138_357_544


@pytest.mark.slow
@torch.no_grad()
def test_torchvisions_tensors_load_and_give_its_scores():
    from torchvision.models import vgg16

    torch.manual_seed(0)
    published = vgg16(weights=None, init_weights=False).eval()
    weights = {name: tensor.normal_(std=0.01) for name, tensor in published.state_dict().items()}
    network, pictures = Vgg16Classifier().eval(), torch.randn(1, 3, 224, 224)
    network.load_torchvision(weights)
    wanted = published(pictures)
    torch.testing.assert_close(network(pictures), wanted, atol=1e-4 * float(wanted.abs().max()), rtol=1e-4)


@pytest.mark.parametrize("side", [32, 50, 64])
def test_any_side_will_do(side):
    network = Vgg16Classifier(width=32, side=side, classes=31)
    assert network(torch.zeros(2, 3, side, side)).shape == (2, 31)
