"""Equalized learning rates: weights are drawn N(0, 1) and scaled where they are used (Progressive GAN, section 4.1)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE, GAIN = 0.2, math.sqrt(2)
"""Of the activation: a leaky ReLU times sqrt(2) keeps the second moment of a normal input at about 1."""


def activate(x: Tensor) -> Tensor:
    """LeakyReLU(0.2), times sqrt(2)."""
    return F.leaky_relu(x, SLOPE) * GAIN


class EqualizedLinear(nn.Module):
    """y = x (weight * rate / sqrt(fan-in))^T + bias * rate, so that Adam moves every layer alike."""

    def __init__(self, inputs: int, outputs: int, *, rate: float = 1, bias: float = 0, activated: bool = False) -> None:
        """`rate` multiplies the learning rate without changing the first outputs; `bias` is its first value."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.gain, self.rate, self.activated = rate / math.sqrt(inputs), rate, activated

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs) -> (B, outputs)."""
        y = F.linear(x, self.weight * self.gain, self.bias * self.rate)
        return activate(y) if self.activated else y


class EqualizedConv(nn.Module):
    """A convolution without padding of its own, its weight scaled by 1 / sqrt(fan-in)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, bias: bool = True) -> None:
        """Square kernels; the bias starts at 0."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain, self.stride = 1 / math.sqrt(inputs * kernel**2), stride

    def forward(self, x: Tensor, padding: int = 0) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H', W')."""
        return F.conv2d(x, self.weight * self.gain, self.bias, stride=self.stride, padding=padding)
