"""ConSinGAN (Hinz, Fisher, Wang, Wermter: Improved Techniques for Training Single-Image GANs. WACV 2021)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.layers.single_image.patch_net import PatchNet
from pipeline.layers.single_image.scales import Sizes, logarithmic
from pipeline.layers.single_image.synthesizer import ScaleGan
from plugins.con_singan.generator import SLOPE, ConSinGanGenerator
from plugins.con_singan.training import Growth


def build(
    *,
    height: int,
    width: int,
    objects: int,
    stages: int,
    min_size: int,
    max_size: int,
    features: int,
    frame: Sequence[int] | None,
    samples: int,
    learning_rate: float,
    together: int,
    slower: float,
) -> "ConSinGan":
    """The whole model with its numbers: `samples` outer steps a stage. `objects` do not matter to it."""
    sizes = logarithmic(height, width, least=min_size, most=max_size, stages=stages)
    model = ConSinGan(sizes, features=features, frame=frame)
    model.stages = tuple(
        Growth(model, k, samples=samples, learning_rate=learning_rate, together=together, slower=slower)
        for k in range(len(sizes))
    )
    return model


class ConSinGan(ScaleGan):
    """The generator, its critic and the input that reconstructs the image."""

    generator: ConSinGanGenerator
    critic: PatchNet

    def __init__(self, sizes: Sizes, *, features: int, frame: Sequence[int] | None) -> None:
        """All stages but the first are added in training."""
        generator = ConSinGanGenerator(sizes, width=features)
        critic = PatchNet(1, features, norm=False, slope=SLOPE)
        super().__init__(generator, critic, sizes=sizes, frame=frame)
        self.register_buffer("fixed0", torch.zeros(generator.shapes()[0]))

    def grow(self) -> None:
        """Add a stage and the fixed noise it reconstructs from; the critic goes on as it is."""
        self.generator.grow()
        number = self.generator.depth - 1
        self.register_buffer(f"fixed{number}", torch.randn(self.generator.shapes()[number]))

    def fixed(self) -> list[Tensor]:
        """What reconstructs: the coarsest real image, which the first stage takes up, then noise drawn once a stage."""
        return [self.get_buffer(f"fixed{number}") for number in range(self.generator.depth)]
