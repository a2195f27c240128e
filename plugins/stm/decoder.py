"""STM's decoder: what was read from memory, refined twice by the query's finer maps (arXiv 1904.00607, section 3.4)."""

import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """ReLU, convolution, ReLU, convolution, and the input added (He et al. 2016, without batch norm)."""

    def __init__(self, channels: int) -> None:
        """Both convolutions keep the number of `channels`."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape as it is."""
        changed: Tensor = self.conv2(F.relu(self.conv1(F.relu(x))))
        return x + changed


class Refine(nn.Module):
    """One step to the doubled resolution, by a map of the query's encoder."""

    def __init__(self, skip: int, channels: int) -> None:
        """The query's map has `skip` channels, what is refined has `channels`."""
        super().__init__()
        self.lateral = nn.Conv2d(skip, channels, 3, padding=1)
        self.before, self.after = Residual(channels), Residual(channels)

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """`skip` (B, C, H, W) of the query and `coarse` (B O, c, H/2, W/2) -> (B O, c, H, W)."""
        beside = self.before(self.lateral(skip)).repeat_interleave(len(coarse) // len(skip), 0)
        refined: Tensor = self.after(beside + F.interpolate(coarse, scale_factor=2, mode="bilinear"))
        return refined


class Decoder(nn.Module):
    """10,034,946 parameters behind a ResNet-50."""

    def __init__(self, inputs: int, skips: tuple[int, int], channels: int) -> None:
        """`inputs` of what was read, `skips` of the query's maps at strides 4 and 8, `channels` of the decoder."""
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        self.residual = Residual(channels)
        self.refine8, self.refine4 = Refine(skips[1], channels), Refine(skips[0], channels)
        self.predict = nn.Conv2d(channels, 2, 3, padding=1)

    def forward(self, read: Tensor, middle: Tensor, fine: Tensor) -> Tensor:
        """Read (B O, inputs, H/16, W/16), the query's maps (B, ., H/8, W/8), (B, ., H/4, W/4) -> (B O, 2, H, W)."""
        x = self.residual(self.first(read))
        x = self.refine4(fine, self.refine8(middle, x))
        return F.interpolate(self.predict(F.relu(x)), scale_factor=4, mode="bilinear")
