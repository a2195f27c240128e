"""Counts of the specification per width, and what a value of the output sees (sections 6.2 and 6.3)."""

import pytest
import torch

from pipeline.layers.single_image.patch_net import PatchNet


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("width", "generator", "critic"), [(32, 29763, 29185), (64, 114819, 113665), (128, 450819, 448513)]
)
def test_singans_networks_have_the_published_parameters(width, generator, critic):
    assert parameters(PatchNet(3, width, norm=True, slope=0.2)) == generator
    assert parameters(PatchNet(1, width, norm=True, slope=0.2)) == critic


def test_consingans_critic_has_the_published_parameters():
    assert parameters(PatchNet(1, 64, norm=False, slope=0.05)) == 113153


def test_a_value_sees_eleven_pixels_and_borders_are_not_padded():
    net = PatchNet(1, 4, norm=False, slope=0.2)
    image = torch.randn(1, 3, 20, 24, requires_grad=True)
    scores = net(image)
    assert scores.shape == (1, 1, 10, 14)
    (seen,) = torch.autograd.grad(scores[0, 0, 3, 5], image)
    rows, columns = seen[0].abs().sum(0).nonzero().unbind(1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (3, 13, 5, 15)


def test_convolutions_are_drawn_with_a_deviation_of_two_hundredths():
    torch.manual_seed(0)
    net = PatchNet(1, 64, norm=True, slope=0.2)
    drawn = torch.cat([m.weight.flatten() for m in net.modules() if isinstance(m, torch.nn.Conv2d)])
    assert drawn.std().item() == pytest.approx(0.02, rel=0.02)
    scales = torch.cat([m.weight for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.01)
