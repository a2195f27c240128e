"""Convolutions whose kernels are divided by their largest singular value (Miyato et al., arXiv 1802.05957).

A network normalises all its kernels together, at the start of a forward pass: kernels of one shape take their power
iteration as one batched product. The singular value belongs to the kernel as it is trained, so that kernels merged
with a resampling (`resampled_convolution.py`) are merged after the division.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-12
DEVIATION = 0.02


class SpectralConv2d(nn.Module):
    """A convolution with a square kernel, drawn from N(0, 0.02); of use inside `normalised` alone."""

    u: Tensor
    """(output channels,): estimate of the kernel's first left singular vector."""
    v: Tensor
    """(input channels x side^2,): estimate of its first right singular vector."""
    found: Tensor | None = None
    """The normalised kernel, for the length of one forward pass."""

    def __init__(
        self, channels: int, out: int, side: int, *, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> None:
        """Biases start as PyTorch's own do: uniform within one over the root of the fan-in."""
        super().__init__()
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(torch.randn(out, channels, side, side) * DEVIATION)
        bound = (channels * side**2) ** -0.5
        self.bias = nn.Parameter(torch.empty(out).uniform_(-bound, bound)) if bias else None
        self.register_buffer("u", F.normalize(torch.randn(out), dim=0, eps=EPSILON))
        self.register_buffer("v", F.normalize(torch.randn(channels * side**2), dim=0, eps=EPSILON))

    @property
    def kernel(self) -> Tensor:
        """The weight over its largest singular value, float32 or wider."""
        if self.found is None:
            raise RuntimeError("a spectrally normalised kernel was asked for outside `normalised`")
        return self.found

    def forward(self, maps: Tensor) -> Tensor:
        """Convolve maps (B, channels, H, W)."""
        return F.conv2d(maps, self.kernel, self.bias, self.stride, self.padding)


def convolutions(*modules: nn.Module) -> list[SpectralConv2d]:
    """Every spectrally normalised convolution inside `modules`, in their order."""
    return [part for module in modules for part in module.modules() if isinstance(part, SpectralConv2d)]


@contextmanager
def normalised(parts: Sequence[SpectralConv2d], *, update: bool) -> Iterator[None]:
    """Give each of `parts` its kernel, after one power iteration where `update`, and take it back at the end.

    Gradients reach the weights through the singular value as well, u and v held fixed.
    """
    with torch.autocast(parts[0].weight.device.type, enabled=False):
        for group in _alike(parts):
            for part, kernel in zip(group, _kernels(group, update), strict=True):
                part.found = kernel
    try:
        yield
    finally:
        for part in parts:
            part.found = None


@torch.no_grad()
def settle(parts: Sequence[SpectralConv2d]) -> None:
    """Set u and v of each to its exact first singular vectors: averaged weights had no iterations of their own."""
    for part in parts:
        matrix = part.weight.double().flatten(1)
        u = torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -1]
        part.u.copy_(u)
        part.v.copy_(F.normalize(matrix.T @ u, dim=0, eps=EPSILON))


def _alike(parts: Sequence[SpectralConv2d]) -> list[list[SpectralConv2d]]:
    groups: dict[torch.Size, list[SpectralConv2d]] = defaultdict(list)
    for part in parts:
        groups[part.weight.shape].append(part)
    return list(groups.values())


def _kernels(group: Sequence[SpectralConv2d], update: bool) -> Sequence[Tensor]:
    weights = torch.stack([part.weight for part in group])
    matrices = weights.flatten(2)
    u, v = torch.stack([part.u for part in group])[:, None], torch.stack([part.v for part in group])[..., None]
    if update:
        with torch.no_grad():
            v = F.normalize(u @ matrices, dim=-1, eps=EPSILON).mT
            u = F.normalize(matrices @ v, dim=1, eps=EPSILON).mT
            torch._foreach_copy_([part.u for part in group], list(u[:, 0].unbind()))
            torch._foreach_copy_([part.v for part in group], list(v[..., 0].unbind()))
    return (weights / (u @ (matrices @ v))[..., None, None]).unbind()
