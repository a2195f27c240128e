"""From latents to styles (StyleGAN, section 2), with the running mean that truncation pulls towards."""

import torch
from torch import Tensor, nn

from pipeline.layers.style_gan.equalized import EqualizedLinear

RATE, DECAY = 0.01, 0.995
"""Of the learning rate in the mapping network; of the running mean, an update."""


class Mapping(nn.Module):
    """A normalized z through fully connected layers of one width."""

    mean: Tensor

    def __init__(self, latent: int, layers: int) -> None:
        """`layers` is 8 in the paper."""
        super().__init__()
        self.layers = nn.Sequential(
            *(EqualizedLinear(latent, latent, rate=RATE, activated=True) for _ in range(layers))
        )
        self.register_buffer("mean", torch.zeros(latent))

    def forward(self, z: Tensor) -> Tensor:
        """Latents (B, latent) ~ N(0, I) -> styles (B, latent)."""
        made: Tensor = self.layers(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())
        return made

    @torch.no_grad()
    def follow(self, styles: Tensor) -> None:
        """Move the running mean towards that of styles (B, latent) seen in training."""
        self.mean.lerp_(styles.float().mean(0), 1 - DECAY)


def mixed(first: Tensor, second: Tensor, probability: float) -> Tensor:
    """Styles (B, L, latent) of which, with `probability`, those from a random layer on are taken from `second`.

    Style mixing (StyleGAN, section 3.1): drawn for each sample, at least one layer from either.
    """
    batch, layers, _ = first.shape
    cut = torch.randint(1, layers, (batch, 1), device=first.device)
    whole = torch.rand(batch, 1, device=first.device) >= probability
    keep = whole | (torch.arange(layers, device=first.device) < cut)
    return torch.where(keep[..., None], first, second)
