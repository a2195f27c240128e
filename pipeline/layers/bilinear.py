"""Fixed bilinear transposed convolutions, cropped, as two small matrices: exact, and without the zeros' work."""

import torch
from torch import Tensor


def enlarged(cells: Tensor, size: tuple[int, int], stride: int, first: tuple[float, float]) -> Tensor:
    """Maps (B, C, h, w) -> float32 (B, C, *size).

    Cell i peaks at pixel `first` + `stride` i of its axis and weighs 1 - |distance| / `stride` there and around, so
    that all cells but the outermost sum to 1.
    """
    rows, columns = (
        _weights(length, count, stride, start, cells.device)
        for length, count, start in zip(size, cells.shape[-2:], first, strict=True)
    )
    with torch.autocast(cells.device.type, enabled=False):
        return rows @ cells.float() @ columns.T


def _weights(length: int, count: int, stride: int, first: float, device: torch.device) -> Tensor:
    """(`length`, `count`): how much each of `count` cells gives to each pixel; at most two of a row are not 0."""
    pixels = torch.arange(length, device=device, dtype=torch.float32) - first
    cells = torch.arange(count, device=device, dtype=torch.float32) * stride
    return (1 - (pixels[:, None] - cells).abs() / stride).clamp(min=0)
