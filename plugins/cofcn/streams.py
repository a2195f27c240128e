"""The two VGG-16 networks whose copies co-FCN is made of: SG-One's of stride 8, and the release's of stride 32."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.vgg16 import Vgg16

SMALLEST = 33
"""Pixels of the smallest side for which the 7x7 convolution of `Stride32` finds seven cells."""


class Stream(nn.Module):
    """A VGG-16 trunk and one convolution above it."""

    vgg: Vgg16


class Stride8(Stream):
    """SG-One's backbone: pools 3x3 with strides 2, 2, 2, 1, 1, and a 3x3 convolution without a ReLU.

    17,074,496 parameters of three channels, 17,075,648 of five. A side of n pixels becomes floor((n - 1) / 2) + 1
    cells, three times: 375x500 -> 47x63.
    """

    def __init__(self, *, width: int, inputs: int) -> None:
        """512 / `width` channels; `inputs` of the picture. The last convolution starts Xavier-uniform."""
        super().__init__()
        self.vgg = Vgg16(width=width, inputs=inputs)
        channels = 512 // width
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.xavier_uniform_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, C, h, w)."""
        x = pictures
        for block, stride in enumerate((2, 2, 2, 1, 1), start=1):
            x = F.max_pool2d(self.vgg.block(block, x), 3, stride, padding=1)
        maps: Tensor = self.conv(x)
        return maps


class Stride32(Stream):
    """FCN-32s with a narrow fc6: first padding 81, pools 2x2 in ceil mode, a 7x7 convolution, ReLU, channel dropout.

    21,137,472 parameters of three channels, 21,138,624 of five. 375x500 -> 11x15. With padding 81 (FCN's 100 less its
    crop of 19) cell (i, j) lies at pixel 32 i + 31.5 and 32 j + 31.5, so that nothing is cropped before the picture.
    """

    def __init__(self, *, width: int, inputs: int, deviation: float) -> None:
        """256 / `width` channels; `inputs` of the picture; fc6 starts normal with `deviation`."""
        super().__init__()
        self.vgg = Vgg16(width=width, inputs=inputs, first_padding=81)
        self.fc6 = nn.Conv2d(512 // width, 256 // width, 7)
        start_normal(self.fc6, deviation)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, C, h, w)."""
        height, width = pictures.shape[-2:]
        # Zeros continue the padding where a picture is too small for a single cell.
        x = F.pad(pictures, (0, max(SMALLEST - width, 0), 0, max(SMALLEST - height, 0)))
        for block in range(1, 6):
            x = F.max_pool2d(self.vgg.block(block, x), 2, 2, ceil_mode=True)
        return F.dropout2d(F.relu(self.fc6(x)), 0.5, self.training)


def start_normal(convolution: nn.Conv2d, deviation: float) -> None:
    """Weights normal with `deviation`, biases 0."""
    nn.init.normal_(convolution.weight, std=deviation)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
