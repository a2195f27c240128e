"""What the target may be in a query: the visible parts of its characters, separated already."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Candidates:
    """N visible parts, cut out around their centres of mass."""

    names: Tensor
    """(N,) int64: their values in the instance map, rising."""
    crops: Tensor
    """(N, S, S) float32 of 0 and 1; the centre of mass, rounded, lies at row and column S // 2."""
    areas: Tensor
    """(N,) int64: ink pixels of each crop, at least 1."""

    def __len__(self) -> int:
        """N."""
        return len(self.names)


def separate(instances: Tensor, side: int) -> Candidates:
    """All that is visible of an instance map (H, W), where 0 is background, each on a square of `side` pixels."""
    rows, columns = instances.nonzero(as_tuple=True)
    names, owner, visible = torch.unique(instances[rows, columns], return_inverse=True, return_counts=True)
    places = torch.stack([columns, rows], 1)
    # Whole numbers up to here: the sums do not depend on the order in which a device adds.
    total = torch.zeros(len(names), 2, dtype=torch.int64, device=places.device).index_add_(0, owner, places)
    corner = (total.double() / visible[:, None] + 0.5).floor().long() - side // 2
    x, y = (places - corner[owner]).unbind(1)
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    crops = torch.zeros(len(names), side, side, device=places.device)
    crops[owner[inside], y[inside], x[inside]] = 1
    areas = crops.sum((1, 2)).long()
    # A ring wider than the square has no ink inside it.
    held = areas > 0
    return Candidates(names[held], crops[held], areas[held])


def shrink(picture: Tensor, scale: float) -> Tensor:
    """A map (H, W) at `scale` <= 1 of its size, at least one pixel, by nearest sampling at pixel centres."""
    for axis, length in enumerate(picture.shape):
        count = max(1, int(length * scale))
        steps = (torch.arange(count, device=picture.device) * 2 + 1) * length // (2 * count)
        picture = picture.index_select(axis, steps)
    return picture
