"""SinGAN (Shaham, Dekel, Michaeli: Learning a Generative Model from a Single Natural Image. ICCV 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.layers.single_image.patch_net import PatchNet
from pipeline.layers.single_image.scales import Sizes, geometric
from pipeline.layers.single_image.synthesizer import ScaleGan
from plugins.singan.generator import SLOPE, SinGanGenerator
from plugins.singan.training import Scale


def build(
    *,
    height: int,
    width: int,
    objects: int,
    min_size: int,
    max_size: int,
    factor: float,
    features: int,
    widest: int,
    frame: Sequence[int] | None,
    samples: int,
    learning_rate: float,
) -> "SinGan":
    """The whole model with its numbers: a stage a scale, `samples` outer steps each; `objects` do not matter to it."""
    sizes = geometric(height, width, least=min_size, most=max_size, factor=factor)
    model = SinGan(sizes, features=features, widest=widest, frame=frame)
    model.stages = tuple(Scale(model, k, samples=samples, learning_rate=learning_rate) for k in range(len(sizes)))
    return model


class SinGan(ScaleGan):
    """The generator, the newest scale's critic and the noise that reconstructs the image."""

    generator: SinGanGenerator
    critic: PatchNet

    def __init__(self, sizes: Sizes, *, features: int, widest: int, frame: Sequence[int] | None) -> None:
        """All scales but the coarsest are added by the stages."""
        generator = SinGanGenerator(sizes, width=features, widest=widest)
        critic = PatchNet(1, features, norm=True, slope=SLOPE)
        super().__init__(generator, critic, sizes=sizes, frame=frame)
        self.anchor: Tensor
        self.register_buffer("anchor", torch.randn(generator.shapes()[0]))

    def grow(self) -> None:
        """Add a scale; its critic goes on from the weights of the last where the width is the same."""
        self.generator.grow()
        width = self.generator.width(self.generator.depth - 1)
        if width != self.critic.width:
            self.critic = PatchNet(1, width, norm=True, slope=SLOPE)

    def fixed(self) -> list[Tensor]:
        """Noise maps that reconstruct: one drawn once at the coarsest scale, zeros above (section 2.2)."""
        device = self.anchor.device
        return [self.anchor, *(torch.zeros(shape, device=device) for shape in self.generator.shapes()[1:])]
