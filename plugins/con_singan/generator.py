"""ConSinGAN's generator (Hinz et al., WACV 2021, section 3): one network of features that grows by a stage a scale."""

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.single_image.patch_net import block, draw_weights
from pipeline.layers.single_image.scales import Sizes
from pipeline.layers.single_image.synthesizer import ScaleGenerator, Shape

DEEP = 3
"""Convolutions of a stage, each of which takes a pixel at every border."""
SLOPE = 0.05


class ConSinGanGenerator(ScaleGenerator):
    """Head, stages of three convolutions that add to the enlarged features of the one before, tail."""

    def __init__(self, sizes: Sizes, *, width: int) -> None:
        """Only the first stage is there at first."""
        super().__init__()
        self.sizes, self._width = sizes, width
        self.head = block(3, width, norm=False, slope=SLOPE)
        self.body = nn.ModuleList([nn.Sequential(*(block(width, width, norm=False, slope=SLOPE) for _ in range(DEEP)))])
        self.tail = nn.Conv2d(width, 3, 3)
        draw_weights(self)
        self.amplitudes: Tensor
        self.register_buffer("amplitudes", torch.ones(len(sizes)))

    @property
    def depth(self) -> int:  # type: ignore[override]
        """Stages there are by now."""
        return len(self.body)

    def grow(self) -> None:
        """The next stage starts as a copy of the last."""
        self.body.append(copy.deepcopy(self.body[-1]).requires_grad_())

    def shapes(self) -> list[Shape]:
        """An image of noise for the head; features of noise, wider by what the convolutions take, for later stages."""
        wide = [(1, self._width, height + 2 * DEEP, width + 2 * DEEP) for height, width in self.sizes[1 : self.depth]]
        return [(1, 3, *self.sizes[0]), *wide]

    def forward(self, noise: Sequence[Tensor]) -> Tensor:
        """Every stage of which there is noise, then the tail: (1, 3, h, w) in [-1, 1] at the size of the last."""
        made = self.body[0](self._first(noise[0]))
        for number in range(1, len(noise)):
            height, width = self.sizes[number]
            enlarged = _enlarge(made, height + 2 * DEEP, width + 2 * DEEP)
            found = self.body[number](enlarged + self.amplitudes[number] * noise[number])
            made = found + _enlarge(made, height, width)
        return torch.tanh(self.tail(F.pad(made, (1,) * 4)))

    def _first(self, noise: Tensor) -> Tensor:
        """The head's features, one pixel wider at every border, then two of zeros: borders vary more that way."""
        features = self.head(F.pad(noise, (1,) * 4))
        height, width = features.shape[-2:]
        return F.pad(_enlarge(features, height + 2, width + 2), (DEEP - 1,) * 4)


def _enlarge(features: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(features, (height, width), mode="bicubic", align_corners=True)
