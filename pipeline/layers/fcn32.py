"""FCN-32s (Long, Shelhamer, Darrell, CVPR 2015) up to fc7, and the fixed upsampling of what is read from it.

VGG-16 with its classifier as convolutions: a first padding of 100 pixels makes room for fc6, which has 7x7 cells and no
padding; sides are halved rounding up, as in Caffe. One cell of the map stands for 32 pixels.
"""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.bilinear import enlarged
from pipeline.layers.published import take
from pipeline.layers.vgg16 import Vgg16

STRIDE, KERNEL = 32, 64
"""Of the transposed convolution, in pixels."""


class Fcn32(nn.Module):
    """Pictures (B, 3, H, W) -> fc7 (B, 4096, h, w) after its ReLU; h = ceil((H + 2 `first_padding` - 2) / 32) - 6.

    With a first padding of 121, 500x500 pixels become 24x24 cells of pool5 and 18x18 of fc7; 375x500 20x24 and 14x18.
    Parameters: 14,714,688 (trunk) + 102,764,544 (fc6) + 16,781,312 (fc7) = 134,260,544.
    """

    def __init__(self, *, width: int = 1, first_padding: int = 100, dilation: int = 1) -> None:
        """Channels divided by `width`; OSLSM pads by 121, FCN-32s by 100, co-FCN by 81; `dilation` of block 5."""
        super().__init__()
        self.vgg = Vgg16(width=width, first_padding=first_padding, dilation=dilation)
        self.outputs = 4096 // width
        """Channels of fc7."""
        self.fc6 = dense_convolution(self.vgg.channels[-1], self.outputs, 7)
        self.fc7 = dense_convolution(self.outputs, self.outputs, 1)
        self.offset = first_padding - 81
        """Where the upsampled map is cropped, so that cells lie over the centres of what they see (19 with 100)."""

    def features(self, pictures: Tensor) -> Tensor:
        """fc7 of normalized pictures; dropout of half of fc6 and of fc7 while training."""
        x = F.dropout(F.relu(self.fc6(self.pool5(pictures))), 0.5, self.training)
        return F.dropout(F.relu(self.fc7(x)), 0.5, self.training)

    def pool5(self, pictures: Tensor) -> Tensor:
        """What fc6 sees: (B, 512, ., .), six cells more than fc7 in both axes."""
        x = pictures
        for number in range(1, 6):
            x = F.max_pool2d(self.vgg.block(number, x), 2, ceil_mode=True)
        return x

    def enlarge(self, cells: Tensor, height: int, width: int) -> Tensor:
        """What was read from fc7, (B, C, h, w), at the size of the picture: float32 (B, C, `height`, `width`)."""
        return upsample(cells, height, width, self.offset)

    def load_torchvision(self, weights: Mapping[str, Tensor]) -> None:
        """Take up torchvision's VGG-16 (full width alone): fc6 and fc7 from `classifier.0` and `classifier.3`.

        `UserError` where they are those of another network.
        """
        self.vgg.load_torchvision(weights)
        take(self.fc6, weights, "classifier.0", "torchvision's VGG-16")
        take(self.fc7, weights, "classifier.3", "torchvision's VGG-16")


def upsample(cells: Tensor, height: int, width: int, offset: int, kernel: int = KERNEL) -> Tensor:
    """A fixed bilinear transposed convolution of stride 32, cropped: (B, C, h, w) -> float32 (B, C, `height`, `width`).

    Cell i peaks at pixel 32 i + (kernel - 1) / 2 - offset.
    """
    first = (kernel - 1) / 2 - offset
    return enlarged(cells, (height, width), STRIDE, (first, first))


def dense_convolution(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    """A fully connected layer as an unpadded convolution before a ReLU: He-normal weights, biases 0."""
    convolution = nn.Conv2d(inputs, outputs, kernel)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution
