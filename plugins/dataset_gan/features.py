"""The generator's features at single pixels, without ever making the volume of all of them (160 GB officially)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def stacked(features: Sequence[Tensor]) -> list[Tensor]:
    """Maps (B, C, h, w), those of one size side by side: one map a size, in the same order of channels."""
    sizes = list(dict.fromkeys(f.shape[2:] for f in features))
    return [torch.cat([f for f in features if f.shape[2:] == size], 1) for size in sizes]


class Pixels:
    """All features, bilinearly enlarged to (height, width) and concatenated, of any pixels one asks for."""

    def __init__(self, maps: Sequence[Tensor], height: int, width: int) -> None:
        """Stacked maps (1, C, h, w) of one image."""
        self._tables = [m[0].flatten(1).t().contiguous() for m in maps]
        self._sizes = [(m.shape[2], m.shape[3]) for m in maps]
        self.height, self.width = height, width

    def __call__(self, indices: Tensor) -> Tensor:
        """Row-major pixel numbers (P,) -> features (P, sum of C), as `F.interpolate` of all maps would have them."""
        row, column = indices // self.width, indices % self.width
        found = []
        for table, (height, width) in zip(self._tables, self._sizes, strict=True):
            above, below, down = _neighbours(row, height, self.height)
            left, right, across = _neighbours(column, width, self.width)
            upper = torch.lerp(table[above * width + left], table[above * width + right], across)
            lower = torch.lerp(table[below * width + left], table[below * width + right], across)
            found.append(torch.lerp(upper, lower, down))
        return torch.cat(found, 1)


def _neighbours(position: Tensor, size: int, full: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two cells of `size` around the centres of pixels of `full`, and the weight (P, 1) of the second."""
    place = ((position + 0.5) * (size / full) - 0.5).clamp(min=0)
    first = place.floor().long()
    return first, (first + 1).clamp(max=size - 1), (place - first)[:, None]


def enlarged(maps: Sequence[Tensor], weight: Tensor, height: int, width: int) -> Tensor:
    """A linear map (O, sum of C) of all features, enlarged to (B, O, height, width).

    Enlarging is linear and the same for every channel: so each map is projected where it is small, then enlarged.
    """
    parts = torch.split(weight, [m.shape[1] for m in maps], 1)
    made = [
        F.interpolate(F.conv2d(m, part[..., None, None]), (height, width), mode="bilinear", align_corners=False)
        for m, part in zip(maps, parts, strict=True)
    ]
    return sum(made[1:], made[0])
