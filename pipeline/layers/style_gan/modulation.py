"""Convolutions whose weights a style scales (StyleGAN2, section 2.2), and the layers that are made of them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.style_gan.equalized import EqualizedLinear, activate
from pipeline.layers.style_gan.resampling import blur


class ModulatedConv(nn.Module):
    """Equations 1 to 3: w'_ijk = s_i w_ijk, divided by its norm over inputs i and taps k.

    Scaling a weight's input channels by s is scaling the input itself, and dividing its output channels is dividing
    the output: so that all samples of a batch share one plain convolution.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, latent: int, *, demodulate: bool = True, double: bool = False
    ) -> None:
        """`double` enlarges the map twofold: a transposed convolution of stride 2, then the filter."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.style = EqualizedLinear(latent, inputs, bias=1)
        self.gain, self.padding = 1 / math.sqrt(inputs * kernel**2), kernel // 2
        self.demodulate, self.doubles = demodulate, double

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, inputs, H, W) and w (B, latent) -> (B, outputs, H, W), or twice that size."""
        scale: Tensor = self.style(style)
        weight = self.weight * self.gain
        x = x * scale[..., None, None].to(x.dtype)
        if self.doubles:
            x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = blur(x, (1, 1), gain=4)
        else:
            x = F.conv2d(x, weight, padding=self.padding)
        if self.demodulate:
            norm = (scale.float().square() @ weight.float().square().sum((2, 3)).t() + 1e-8).rsqrt()
            x = x * norm[..., None, None].to(x.dtype)
        return x


class StyledLayer(nn.Module):
    """A modulated 3x3 convolution, noise, bias and activation (figure 2c)."""

    def __init__(self, inputs: int, outputs: int, latent: int, *, double: bool) -> None:
        """The strength of the noise is learned, from 0."""
        super().__init__()
        self.convolution = ModulatedConv(inputs, outputs, 3, latent, double=double)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, style: Tensor, noise: Tensor | None) -> Tensor:
        """(B, inputs, h, w), w (B, latent) and noise (B or 1, 1, H, W) -> (B, outputs, H, W)."""
        x = self.convolution(x, style)
        if noise is not None:
            x = x + (noise * self.strength).to(x.dtype)
        return activate(x + self.bias[:, None, None].to(x.dtype))


class Head(nn.Module):
    """ToRGB, and ToSEG beside it: a 1x1 modulated convolution without demodulation, and a bias."""

    def __init__(self, inputs: int, outputs: int, latent: int) -> None:
        """Its outputs of all levels are added up, each doubled to the next."""
        super().__init__()
        self.convolution = ModulatedConv(inputs, outputs, 1, latent, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, inputs, H, W) and w (B, latent) -> (B, outputs, H, W)."""
        made: Tensor = self.convolution(x, style)
        return made + self.bias[:, None, None].to(made.dtype)
