"""R1 and path length on networks whose slopes are known; lazy Adam."""

import pytest
import torch
from torch import nn

from pipeline.layers.style_gan.discriminator import Discriminator
from pipeline.layers.style_gan.regularization import PathLength, lazy_adam, path_lengths, r1_penalty


def test_r1_of_a_quadratic_critic():
    scale = torch.tensor(3.0, requires_grad=True)
    images = torch.tensor([[1.0, 2.0], [0.0, 2.0]]).view(2, 1, 1, 2)
    penalty = r1_penalty(lambda x: scale * x.square().sum((1, 2, 3)) / 2, images)  # its slope is 3 x
    assert float(penalty.detach()) == 9 * (5 + 4) / 2
    penalty.backward()
    assert float(scale.grad) == 2 * 3 * (5 + 4) / 2


def test_r1_and_logits_of_one_copy_are_those_of_a_batch_of_copies():
    torch.manual_seed(0)
    critic = Discriminator(start=(2, 3), channels=(6, 4)).double()
    image = torch.randn(1, 3, 4, 6).double()
    found = []
    for images in (image, image.expand(4, -1, -1, -1)):
        critic.zero_grad()
        loss = critic(images).mean() + r1_penalty(critic, images)
        loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in critic.parameters())])
    for one, four in zip(*found, strict=True):
        torch.testing.assert_close(one, four, rtol=1e-6, atol=1e-9)


def test_path_length_of_a_linear_generator():
    torch.manual_seed(0)
    matrix = torch.randn(12, 5)
    styles = torch.randn(4, 2, 5, requires_grad=True)
    images = (styles @ matrix.t()).sum(1).view(4, 3, 2, 2)  # J = matrix for each of two layers
    torch.manual_seed(7)
    lengths = path_lengths(images, styles)
    torch.manual_seed(7)
    noise = torch.randn(4, 12) / 2  # over the root of 2 x 2 pixels
    torch.testing.assert_close(lengths, (noise @ matrix).norm(dim=1))


def test_path_length_penalty_moves_its_mean_first():
    penalty = PathLength()
    lengths = torch.tensor([1.0, 3.0], requires_grad=True)
    found = penalty(lengths)
    assert float(penalty.mean) == pytest.approx(0.02)
    assert float(found.detach()) == pytest.approx((0.98**2 + 2.98**2) / 2)
    found.backward()
    torch.testing.assert_close(lengths.grad, torch.tensor([0.98, 2.98]))


def test_lazy_adam_leaves_room_for_the_step_of_the_penalty():
    (group,) = lazy_adam([nn.Parameter(torch.zeros(1))], 2e-3, 16).param_groups
    assert group["lr"] == pytest.approx(2e-3 * 16 / 17)
    assert group["betas"] == pytest.approx((0, 0.99 ** (16 / 17)))
