"""The style interpreter: an ensemble of small networks that label single pixels (DatasetGAN, section 3.2)."""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOMENTUM, EPSILON = 0.1, 1e-5
"""Of the running statistics of batch normalization."""
MANY = 32
"""Classes from which on the networks are wider."""


class Ensemble(nn.Module):
    """M networks side by side: features -> a -> b -> classes, ReLU and then batch normalization after the first two."""

    def __init__(self, features: int, classes: int, members: int) -> None:
        """(a, b) is (128, 32), or (256, 128) for 32 classes or more; first weights are PyTorch's."""
        super().__init__()
        widths = (features, *((256, 128) if classes >= MANY else (128, 32)), classes)
        self.members, self.classes = members, classes
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for inputs, outputs in pairwise(widths):
            bound = 1 / math.sqrt(inputs)
            self.weights.append(nn.Parameter(torch.empty(members, outputs, inputs).uniform_(-bound, bound)))
            self.biases.append(nn.Parameter(torch.empty(members, outputs).uniform_(-bound, bound)))
        self.norms = nn.ModuleList(Norm(members, width) for width in widths[1:3])

    def forward(self, features: Tensor) -> Tensor:
        """Features (M, P, F), a batch for each member -> logits (M, P, classes), by the statistics of the batch."""
        x = features
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))
            if layer < 2:
                x = self.norms[layer](x.relu())
        return x

    def finish(self, first: Tensor, member: int) -> Tensor:
        """What one member makes of the first layer's outputs without its bias (B, a, H, W): logits (B, classes, H, W).

        By the running statistics.
        """
        x: Tensor = first + self.biases[0][member][:, None, None]
        for layer in (1, 2):
            norm = self.norms[layer - 1]
            assert isinstance(norm, Norm)
            x = norm.running(x.relu_(), member)
            x = F.conv2d(x, self.weights[layer][member][..., None, None], self.biases[layer][member])
        return x


class Norm(nn.Module):
    """Batch normalization of M batches at once."""

    mean: Tensor
    variance: Tensor

    def __init__(self, members: int, width: int) -> None:
        """One scale and shift a channel and member."""
        super().__init__()
        self.scale = nn.Parameter(torch.ones(members, width))
        self.shift = nn.Parameter(torch.zeros(members, width))
        self.register_buffer("mean", torch.zeros(members, width))
        self.register_buffer("variance", torch.ones(members, width))

    def forward(self, x: Tensor) -> Tensor:
        """(M, P, C), normalized over P; the running statistics follow."""
        members, pixels, width = x.shape
        flat = x.transpose(0, 1).reshape(pixels, members * width)
        normal: Tensor = F.batch_norm(
            flat,
            self.mean.view(-1),
            self.variance.view(-1),
            self.scale.view(-1),
            self.shift.view(-1),
            training=True,
            momentum=MOMENTUM,
            eps=EPSILON,
        )
        return normal.view(pixels, members, width).transpose(0, 1)

    def running(self, x: Tensor, member: int) -> Tensor:
        """(B, C, H, W) by one member's running statistics."""
        return F.batch_norm(
            x, self.mean[member], self.variance[member], self.scale[member], self.shift[member], eps=EPSILON
        )


def vote(probabilities: Tensor) -> Tensor:
    """(M, classes, ..) -> the class (..) that most members find likeliest; of equals the lowest."""
    votes = F.one_hot(probabilities.argmax(1), probabilities.shape[1]).sum(0)
    return votes.argmax(-1)


def disagreement(probabilities: Tensor) -> Tensor:
    """Jensen-Shannon divergence (..) in nats of M distributions (M, classes, ..): H(mean) - mean of H."""
    return _entropy(probabilities.mean(0)) - _entropy(probabilities.transpose(0, 1)).mean(0)


def _entropy(probabilities: Tensor) -> Tensor:
    return -torch.xlogy(probabilities, probabilities).sum(0)
