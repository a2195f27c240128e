"""The U-Net: its size, and that its encoder is torchvision's ResNet-18."""

import pytest
import torch

from pipeline.errors import UserError
from pipeline.measures.unet import ResNet18Encoder, UNet


@pytest.mark.parametrize(("classes", "parameters"), [(2, 17_799_874), (6, 17_799_874 + 4 * 65)])
def test_parameters(classes, parameters):
    with torch.device("meta"):
        network = UNet(classes)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
def test_logits_have_the_images_size(size):
    with torch.device("meta"):
        assert UNet(3, width=8)(torch.zeros(2, 3, *size)).shape == (2, 3, *size)


@torch.no_grad()
def test_encoder_equals_torchvisions():
    from torchvision.models import resnet18

    torch.manual_seed(0)
    published, images = resnet18(weights=None).eval(), torch.randn(1, 3, 64, 64)
    encoder = ResNet18Encoder().eval()
    encoder.load_published(published.state_dict())
    x = published.relu(published.bn1(published.conv1(images)))
    wanted = [x]
    x = published.maxpool(x)
    for layer in (published.layer1, published.layer2, published.layer3, published.layer4):
        x = layer(x)
        wanted.append(x)
    for found, after in zip(encoder(images), wanted, strict=True):
        torch.testing.assert_close(found, after)


def test_foreign_weights_are_one_line():
    with pytest.raises(UserError, match="not torchvision's ResNet-18"):
        ResNet18Encoder(width=8).load_published({"conv1.weight": torch.zeros(1)})
