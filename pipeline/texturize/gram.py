"""The Gram loss of conv1_1 with its gradient, by hand: no graph, no copy of all features, strip by strip.

Features F = max(W x + b, 0), (64, M) over the M = S*S pixels; G = F F^T / M; loss L = |G - G*|^2 / |G*|^2, which is
the loss of Gatys et al. 2015 up to a factor. With D = G - G* what descends is tr(A D A D), which has the same minimum:
A = (G* + damping)^(-1/2) evens out the eigenvalues of G*, which differ by 1e5, and that halves the evaluations that
L-BFGS needs to bring L down. The gradient is dL/dF = 4 A D A F / M where F > 0. The features are computed twice, once
for G and once for the gradient: that costs less than fetching them from memory.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

FILTERS = 64
_DAMPING = 0.03
"""Times the greatest eigenvalue of G*."""
_PATCH = 28
"""3 x 3 pixels of 3 channels, and a 1 that takes up the bias."""
_STRIP = 3072
"""Pixels of a strip on a CPU: patches, features and their gradient (1.9 MB) stay in cache; more is no faster."""


@dataclass(frozen=True)
class Target:
    """What a batch of B textures has to match."""

    gram: Tensor
    """(B, 64, 64)."""
    weight: Tensor
    """A, (B, 64, 64), symmetric."""
    scale: Tensor
    """Sum of (A G*) (G* A) (B,), so that the weighted loss is 1 for a black texture."""

    @classmethod
    def of(cls, gram: Tensor) -> "Target":
        """The target G* with its weight."""
        values, vectors = torch.linalg.eigh(gram)
        damped = values.clamp_min(0) + _DAMPING * values[:, -1:].clamp_min(1e-30)
        weight = (vectors * damped.rsqrt()[:, None]) @ vectors.mT
        return cls(gram, weight, ((weight @ gram @ weight) * gram).sum((1, 2)))

    def relative(self, difference: Tensor) -> Tensor:
        """L of G - G* (B, 64, 64): (B,)."""
        return difference.square().sum((1, 2)) / self.gram.square().sum((1, 2)).clamp_min(1e-30)

    def rows(self, chosen: Tensor) -> "Target":
        """The targets of some of the textures."""
        return Target(self.gram[chosen], self.weight[chosen], self.scale[chosen])


class GramLoss:
    """The loss of a batch of B textures against B targets, with buffers for one strip that all evaluations share."""

    def __init__(self, filters: Tensor, side: int) -> None:
        """`filters` (B, 64, 28) hold weights (channel, row, column) and bias, for pixels less the trunk's mean."""
        self.side = side
        self._filters, self._pixels = filters, side * side
        count = len(filters)
        self._rows = side if filters.device.type == "cuda" else max(1, min(side, _STRIP // side))
        self._buffers: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        self._padded = filters.new_zeros(count, 3, side + 2, side + 2)
        self._gradient = torch.empty_like(self._padded)

    def gram(self, pixels: Tensor) -> Tensor:
        """G of `pixels` (B, 3, S, S): (B, 64, 64)."""
        self._padded[:, :, 1:-1, 1:-1] = pixels
        total = self._filters.new_zeros(len(self._filters), FILTERS, FILTERS)
        for start in range(0, self.side, self._rows):
            features = self._features(start)[1]
            total.baddbmm_(features, features.mT)
        return total / self._pixels

    def mean(self, pixels: Tensor) -> Tensor:
        """Mean activations over `pixels` (B, 3, S, S): (B, 64)."""
        self._padded[:, :, 1:-1, 1:-1] = pixels
        starts = range(0, self.side, self._rows)
        return torch.stack([self._features(start)[1].sum(2) for start in starts]).sum(0) / self._pixels

    def __call__(self, pixels: Tensor, target: Target) -> tuple[Tensor, Tensor, Tensor]:
        """The weighted loss (B,), its gradient (B, 3, S, S), which the next call overwrites, and L itself (B,)."""
        difference = self.gram(pixels) - target.gram
        weighted = target.weight @ difference @ target.weight
        error = weighted * (4 / (self._pixels * target.scale))[:, None, None]
        self._gradient.zero_()
        for start in range(0, self.side, self._rows):
            self._backward(start, error)
        loss = (weighted * difference).sum((1, 2)) / target.scale
        return loss, self._gradient[:, :, 1:-1, 1:-1], target.relative(difference)

    def _features(self, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Patches (B, 28, P), features (B, 64, P) and room for as many gradients, of the strip from row `start`."""
        rows = min(self._rows, self.side - start)
        if rows not in self._buffers:
            shape = (len(self._filters), rows * self.side)
            ones, empty = self._filters.new_ones, self._filters.new_empty
            self._buffers[rows] = (
                ones(shape[0], _PATCH, shape[1]),
                empty(shape[0], FILTERS, shape[1]),
                empty(shape[0], FILTERS, shape[1]),
            )
        patches, features, gradient = self._buffers[rows]
        strip = self._padded[:, :, start : start + rows + 2]
        windows = strip.unfold(2, 3, 1).unfold(3, 3, 1).permute(0, 1, 4, 5, 2, 3)
        patches[:, :-1].view(-1, 3, 3, 3, rows, self.side).copy_(windows)
        torch.bmm(self._filters, patches, out=features)
        return patches, features.clamp_(min=0), gradient

    def _backward(self, start: int, error: Tensor) -> None:
        """Add what the strip from row `start` gives to the gradient of the padded pixels."""
        patches, features, gradient = self._features(start)
        torch.bmm(error, features, out=gradient)
        torch.ops.aten.threshold_backward.grad_input(gradient, features, 0, grad_input=gradient)
        torch.bmm(self._filters.mT[:, :-1], gradient, out=patches[:, :-1])
        rows = patches.shape[-1] // self.side
        windows = patches[:, :-1].view(-1, 3, 3, 3, rows, self.side)
        for y in range(3):
            for x in range(3):
                self._gradient[:, :, start + y : start + y + rows, x : x + self.side] += windows[:, :, y, x]
