"""One-Shot GAN and OSMIS as a synthesizer: two networks, the generator's average, and what is published of them."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from pipeline.layers.one_shot.average import averaged
from pipeline.layers.one_shot.discriminator import Discriminator
from pipeline.layers.one_shot.generator import Generator, Made
from pipeline.layers.one_shot.resolution import Configuration
from pipeline.layers.patch_gan import PatchGan
from pipeline.segmenter import Synthesizer

TOGETHER = 8
"""Samples made side by side."""


class OneShotGan(Synthesizer):
    """Learns from one pair; samples come from the average of the generator's weights."""

    def __init__(
        self,
        *,
        configuration: Configuration,
        generator: Generator,
        discriminator: Discriminator,
        patches: PatchGan | None = None,
    ) -> None:
        """`patches` judges image and mask together, beside a discriminator that sees no masks."""
        super().__init__()
        self.size, self.remarks = configuration.size, configuration.notes
        self.masks = generator.mask is not None
        self.generator, self.discriminator, self.patches = generator, discriminator, patches
        self.average = averaged(generator)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Images in [0, 255] and the greatest channel of the soft masks; zeros where none are learned."""
        self.average.eval().settle()
        device = next(self.average.parameters()).device
        for start in range(0, count, TOGETHER):
            latents = torch.randn(min(TOGETHER, count - start), self.average.latent, generator=generator)
            made: Made = self.average(latents.to(device))
            images = ((made.images[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()
            soft = made.images[0][:, :1] if made.masks is None else made.masks
            yield from zip(images, soft.argmax(1).to(torch.uint8).cpu(), strict=True)

    def weights(self) -> dict[str, Tensor]:
        """The averaged generator alone, as sampling needs it."""
        return self.average.state_dict()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up a published average."""
        self.average.load_state_dict(dict(weights))
