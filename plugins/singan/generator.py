"""SinGAN's generator (Shaham et al., ICCV 2019, section 2): a small network a scale, each refining the one before."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.single_image.patch_net import PatchNet
from pipeline.layers.single_image.resample import resample
from pipeline.layers.single_image.scales import Sizes
from pipeline.layers.single_image.synthesizer import ScaleGenerator, Shape

PAD = 5
"""Zeros around what a scale is fed: a pixel for each of its five convolutions."""
SLOPE = 0.2


class SinGanGenerator(ScaleGenerator):
    """Scales, and how strong the noise of each is (1 at the coarsest)."""

    def __init__(self, sizes: Sizes, *, width: int, widest: int) -> None:
        """`width` channels, twice as many every four scales, at most `widest`."""
        super().__init__()
        self.sizes, self._width, self._widest = sizes, width, widest
        self.scales = nn.ModuleList([PatchNet(3, self.width(0), norm=True, slope=SLOPE)])
        self.amplitudes: Tensor
        self.register_buffer("amplitudes", torch.ones(len(sizes)))

    @property
    def depth(self) -> int:  # type: ignore[override]
        """Scales there are by now."""
        return len(self.scales)

    def width(self, number: int) -> int:
        """Channels of scale `number`."""
        return min(self._width << number // 4, max(self._width, self._widest))

    def grow(self) -> None:
        """Start from the weights of the scale before where its width is the same, else from drawn ones."""
        scale = PatchNet(3, self.width(self.depth), norm=True, slope=SLOPE)
        if self.width(self.depth - 1) == scale.width:
            scale.load_state_dict(self.scales[-1].state_dict())
        self.scales.append(scale)

    def shapes(self) -> list[Shape]:
        """One channel, seen by all three, at the coarsest scale; three above."""
        return [(1, 3 if number else 1, *self.sizes[number]) for number in range(self.depth)]

    def refine(self, number: int, noise: Tensor, before: Tensor) -> Tensor:
        """Add to `before` (1, 3, h, w) what scale `number` makes of it and of noise (1, 1 or 3, h, w)."""
        fed = F.pad(before + self.amplitudes[number] * noise, (PAD,) * 4)
        return torch.tanh(self.scales[number](fed)) + before

    def before(self, noise: Sequence[Tensor]) -> Tensor:
        """What the scale after those of `noise` is fed: their image at its size, in [-1, 1]; zeros at the coarsest."""
        if not noise:
            return torch.zeros(1, 3, *self.sizes[0], device=self.amplitudes.device)
        return resample(self(noise), self.sizes[len(noise)])

    def forward(self, noise: Sequence[Tensor]) -> Tensor:
        """Every scale of which there is noise, from the coarsest."""
        return self.refine(len(noise) - 1, noise[-1], self.before(noise[:-1]))
