"""What the cells of a feature map are labelled with, and which of them show no picture."""

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.segmenter import VOID


def labelled(masks: Tensor, number: int, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Masks (B, H, W) at `size` = (h, w): truth and counted, (B, h w) float32, of object `number`.

    Values are those of the nearest pixel. An object that no cell would show gets the cell that holds most of it.
    """
    small = F.interpolate(masks[:, None].float(), size, mode="nearest")[:, 0].flatten(1)
    truth = (small == number).float()
    held = F.adaptive_avg_pool2d((masks == number).float()[:, None], size)[:, 0].flatten(1)
    most, place = held.max(1, keepdim=True)
    lost = (most > 0) & ~truth.bool().any(1, keepdim=True)
    truth = truth.scatter_add(1, place, lost.float())
    return truth, torch.maximum((small != VOID).float(), truth)


def pictured(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) -> (B, 2): height and width without the black rows and columns at the bottom and the right.

    These are the protocol's padding, of which a query says nothing else.
    """
    light = images.amax(1) > 0
    return torch.stack([_last(light.any(2)), _last(light.any(1))], 1)


def inside(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Which cells of a map of `size` = (h, w) show a picture: (B, h w) float32, by the nearest pixel."""
    height, width = images.shape[-2:]
    sides = pictured(images)
    rows = torch.arange(height, device=images.device) < sides[:, :1]
    columns = torch.arange(width, device=images.device) < sides[:, 1:]
    shown = (rows[:, :, None] & columns[:, None]).float()[:, None]
    return F.interpolate(shown, size, mode="nearest").flatten(1)


def _last(flags: Tensor) -> Tensor:
    """(B, n) -> (B,): one more than the place of the last that holds; all where none does."""
    places = torch.arange(1, flags.shape[1] + 1, device=flags.device)
    found = (flags * places).amax(1)
    return torch.where(found > 0, found, flags.shape[1])
