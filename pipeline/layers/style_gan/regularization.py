"""R1 and path length regularization (StyleGAN2, sections 3.1 and 3.2), both applied once every few updates."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

DECAY = 0.01
"""How much of a batch's mean path length enters the running one."""


def r1_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """E |grad_x D(x)|^2 over real images (Mescheder et al., equation 9), without its gamma / 2."""
    images = images.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean()


def path_lengths(images: Tensor, styles: Tensor) -> Tensor:
    """|J_w^T y| for y ~ N(0, I) (equation 4): one number a sample.

    `images` (B, 3, H, W) were made from `styles` (B, L, latent), one a layer; y is divided by sqrt(H W), and the
    squared length is averaged over layers.
    """
    noise = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
    (slope,) = torch.autograd.grad((images * noise).sum(), styles, create_graph=True)
    return slope.square().sum(2).mean(1).sqrt()


class PathLength(nn.Module):
    """The running mean `a` of equation 4."""

    mean: Tensor

    def __init__(self) -> None:
        """From 0, as in the paper's appendix B."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, lengths: Tensor) -> Tensor:
        """E (|J^T y| - a)^2 of lengths (B,), after they have moved `a`."""
        self.mean.lerp_(lengths.detach().mean(), DECAY)
        return (lengths - self.mean).square().mean()


def lazy_adam(parameters: list[nn.Parameter], rate: float, every: int) -> torch.optim.Adam:
    """Adam (0, 0.99), corrected for `every` updates and one step of regularization (appendix B).

    With c = every / (every + 1) the rate is rate * c and the betas 0^c and 0.99^c.
    """
    share = every / (every + 1)
    return torch.optim.Adam(parameters, lr=rate * share, betas=(0.0, 0.99**share), eps=1e-8)
