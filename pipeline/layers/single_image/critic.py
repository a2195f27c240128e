"""WGAN-GP (Gulrajani et al., NeurIPS 2017): how a critic learns to tell real from fake."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def critic_step(
    critic: nn.Module, optimizer: torch.optim.Optimizer, real: Tensor, fake: Tensor, *, penalty: float
) -> Tensor:
    """One update on images (B, 3, H, W); returns the loss: mean score of fakes - of reals + `penalty` x the penalty."""
    optimizer.zero_grad(set_to_none=True)
    mix = torch.rand(len(real), 1, 1, 1, device=real.device)
    loss = critic(fake).mean() - critic(real).mean() + penalty * gradient_penalty(critic, real, fake, mix)
    loss.backward()
    optimizer.step()
    return loss.detach()  # type: ignore[no-any-return]


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean of (|gradient| - 1)^2 between real and fake, `mix` (B, 1, 1, 1) in [0, 1] being the share of real.

    The norm is over the channels of each pixel, of the gradient of the sum of all patches' scores, as in the
    programs of SinGAN and ConSinGAN; the WGAN-GP paper takes it over the whole image.
    """
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    excess: Tensor = slope.norm(2, dim=1) - 1
    return excess.square().mean()
