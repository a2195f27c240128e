"""The dilated FCN of stride 8 (Yu and Koltun, ICLR 2016) as OSLSM's segmentation branch; layer list by conjecture."""

import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.fcn32 import Fcn32

STRIDE = 8
"""Pixels of a cell: pool4 and pool5 are left out."""


class Dilated(Fcn32):
    """Pictures (B, 3, H, W) -> fc7 (B, 4096, ceil(H / 8), ceil(W / 8)) after its ReLU; the parameters of FCN-32s.

    Block 5 is dilated by 2, fc6 by 4 and padded by 12; every convolution keeps the size. 572 GMac for 500x500 pixels.
    """

    def __init__(self, *, width: int = 1) -> None:
        """Channels divided by `width`."""
        super().__init__(width=width, first_padding=1, dilation=2)
        self.fc6.dilation, self.fc6.padding = (4, 4), (12, 12)

    def pool5(self, pictures: Tensor) -> Tensor:
        """What fc6 sees, (B, 512, ceil(H / 8), ceil(W / 8)); there is no pool5."""
        x = pictures
        for number in range(1, 6):
            x = self.vgg.block(number, x)
            if number <= 3:
                x = F.max_pool2d(x, 2, ceil_mode=True)
        return x

    def enlarge(self, cells: Tensor, height: int, width: int) -> Tensor:
        """Eight times larger, bilinearly, and cropped to (B, C, `height`, `width`): a cell lies over its own pixels."""
        return F.interpolate(cells.float(), scale_factor=float(STRIDE), mode="bilinear")[..., :height, :width]
