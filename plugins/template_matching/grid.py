"""The grid of affine versions: rotations x shears x x-scales x y-scales, 11 x 7 x 11 x 11 = 9,317 in the paper."""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Evenly spaced steps on each of four axes; point i is counted row-major over (x-scale, y-scale, rotation, shear).

    Scales come first, so that versions of nearly one size lie side by side.
    """

    rotations: int
    shears: int
    scales: int
    """Steps of the x-scale, and of the y-scale."""
    rotation: float
    """Largest rotation, degrees."""
    shear: float
    """Largest tilt of an axis, degrees."""
    octaves: float
    """Largest scale in either direction, as a power of two."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Steps of (x-scale, y-scale, rotation, shear)."""
        return self.scales, self.scales, self.rotations, self.shears

    def __len__(self) -> int:
        """Number of versions."""
        return math.prod(self.shape)

    def points(self, stride: int = 1) -> Tensor:
        """(groups, versions) int64: points by pair of scales; `stride` 2 takes every other step, ends included."""
        steps = [torch.arange(0, n, stride) for n in self.shape]
        return _ravel(torch.cartesian_prod(*steps), self.shape).view(len(steps[0]) * len(steps[1]), -1)

    def neighbours(self, points: Tensor) -> Tensor:
        """Points (R,) -> (R, 81): each point and those one step away on any axes, held inside the grid."""
        moves = torch.tensor(list(itertools.product((-1, 0, 1), repeat=4)))
        last = torch.tensor(self.shape) - 1
        steps = (_unravel(points, self.shape)[:, None] + moves).clamp(min=torch.zeros_like(last), max=last)
        return _ravel(steps, self.shape)

    def matrices(self, points: Tensor) -> Tensor:
        """Points (...) -> (..., 2, 2) float64: the forward maps of (x, y), as scenes are drawn (specification, 2.2).

        x' = a cos(phi + theta) x + b sin(phi - theta) y, y' = -a sin(phi + theta) x + b cos(phi - theta) y.
        """
        a, b, phi, theta = self._values(_unravel(points, self.shape)).unbind(-1)
        turn_x, turn_y = phi + theta, phi - theta
        entries = [a * turn_x.cos(), b * turn_y.sin(), -a * turn_x.sin(), b * turn_y.cos()]
        return torch.stack(entries, -1).view(*points.shape, 2, 2)

    def _values(self, steps: Tensor) -> Tensor:
        unit = 2 * steps.double() / (torch.tensor(self.shape) - 1).clamp(min=1) - 1
        unit = torch.where(torch.tensor(self.shape) > 1, unit, 0.0)
        scales = 2 ** (self.octaves * unit[..., :2])
        angles = torch.deg2rad(unit[..., 2:] * torch.tensor([self.rotation, self.shear]))
        return torch.cat([scales, angles], -1)


def _ravel(steps: Tensor, shape: tuple[int, ...]) -> Tensor:
    flat = steps[..., 0]
    for axis in range(1, len(shape)):
        flat = flat * shape[axis] + steps[..., axis]
    return flat


def _unravel(points: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.stack(torch.unravel_index(points, shape), -1)
