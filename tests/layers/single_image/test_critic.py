"""The gradient penalty by hand, its derivative against differences, and one update of a critic (WGAN-GP)."""

import pytest
import torch
from torch import nn

from pipeline.layers.single_image.critic import critic_step, gradient_penalty
from pipeline.layers.single_image.patch_net import PatchNet


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_of_a_linear_critic_it_is_what_the_weights_say():
    critic = nn.Conv2d(3, 1, 1, bias=False).double()
    critic.weight.data[:] = torch.tensor([2.0, 3.0, 6.0]).view(1, 3, 1, 1)  # a norm of 7 at every pixel
    penalty = gradient_penalty(critic, random(2, 3, 4, 5), random(2, 3, 4, 5, seed=1), torch.full((2, 1, 1, 1), 0.3))
    assert penalty.item() == pytest.approx(36)
    penalty.backward()
    torch.testing.assert_close(critic.weight.grad.flatten(), 12 * torch.tensor([2.0, 3.0, 6.0]).double() / 7)


def test_it_is_taken_between_the_two_pixel_by_pixel():
    real, fake, mix = random(1, 3, 2, 2), random(1, 3, 2, 2, seed=1), torch.full((1, 1, 1, 1), 0.25)
    penalty = gradient_penalty(lambda x: (x**2).sum((1, 2, 3)) / 2, real, fake, mix)  # its gradient at x is x
    between = 0.25 * real + 0.75 * fake
    wanted = sum((float(between[0, :, y, x].norm()) - 1) ** 2 for y in range(2) for x in range(2)) / 4
    assert penalty.item() == pytest.approx(wanted)


@pytest.mark.parametrize("norm", [True, False])
def test_its_derivative_by_the_weights_equals_differences(norm):
    torch.manual_seed(0)
    critic = PatchNet(1, 4, norm=norm, slope=0.2).double()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.mul_(10)  # far from zero, where the norm has no derivative
    arguments = (critic, random(1, 3, 13, 14), random(1, 3, 13, 14, seed=1), torch.full((1, 1, 1, 1), 0.5))
    weight = critic.head[0].weight
    (slope,) = torch.autograd.grad(gradient_penalty(*arguments), weight)
    step = 1e-6
    for place in [(0, 0, 0, 0), (3, 2, 1, 2)]:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            values.append(gradient_penalty(*arguments).item())
            with torch.no_grad():
                weight[place] -= sign * step
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope[place].item(), rel=1e-4, abs=1e-9)


def test_updates_part_real_from_fake():
    torch.manual_seed(0)
    critic = PatchNet(1, 4, norm=True, slope=0.2)
    optimizer = torch.optim.Adam(critic.parameters(), 1e-2)
    real, fake = torch.full((1, 3, 12, 12), 0.5), torch.full((1, 3, 12, 12), -0.5)
    real[..., ::2] = 0
    losses = [critic_step(critic, optimizer, real, fake, penalty=0.1).item() for _ in range(12)]
    assert losses[-1] < losses[0] - 0.1
    assert critic(real).mean() > critic(fake).mean()
