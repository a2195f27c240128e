"""A mask-free synthesizer of growing scales: what SinGAN and ConSinGAN have in common outside of training."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.single_image.resample import resample
from pipeline.layers.single_image.scales import Sizes
from pipeline.segmenter import Synthesizer

Shape = tuple[int, int, int, int]


class ScaleGenerator(nn.Module, ABC):
    """Begins with one scale and grows; noise maps, one a scale, make an image in about [-1, 1]."""

    depth: int
    """Scales there are by now."""

    @abstractmethod
    def grow(self) -> None:
        """Add a scale, its weights those of the scale before where they fit."""

    @abstractmethod
    def shapes(self) -> list[Shape]:
        """Of the noise maps of the scales there are, the coarsest first."""

    @abstractmethod
    def forward(self, noise: Sequence[Tensor]) -> Tensor:
        """Noise maps -> (B, 3, h, w) at the size of the scale of the last of them."""


class ScaleGan(Synthesizer):
    """A generator that grows, and the critic of its newest scale."""

    masks = False

    def __init__(
        self, generator: ScaleGenerator, critic: nn.Module, *, sizes: Sizes, frame: Sequence[int] | None
    ) -> None:
        """`sizes` are those of the pyramid; samples are enlarged to `frame` (H, W), None keeps the finest size."""
        super().__init__()
        self.generator, self.critic, self.sizes = generator, critic, sizes
        self.size = sizes[-1] if frame is None else (int(frame[0]), int(frame[1]))

    def level(self, images: Tensor, number: int) -> Tensor:
        """Images (B, 3, H, W) uint8, all alike -> the real image (1, 3, h, w) of scale `number`, in [-1, 1]."""
        finest = resample(images[:1].float() / 127.5 - 1, self.sizes[-1])
        return resample(finest, self.sizes[number])

    def sample(self, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Images from noise at every scale, (3, *size) uint8, with masks that are all background."""
        self.generator.eval()
        device = next(self.generator.parameters()).device
        for _ in range(count):
            with torch.no_grad():
                made = self.generator(draw(self.generator.shapes(), device, generator)).clamp(-1, 1)
                framed = F.interpolate(made, self.size, mode="bilinear", antialias=True)
            image = ((framed[0] + 1) * 127.5).round().to(torch.uint8)
            yield image, torch.zeros(self.size, dtype=torch.uint8, device=device)

    def weights(self) -> dict[str, Tensor]:
        """The generator alone."""
        return self.generator.state_dict()

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Add the scales that are missing, then take up the generator."""
        while self.generator.depth < len(self.sizes):
            self.generator.grow()
        self.generator.load_state_dict(dict(weights))


def draw(shapes: Sequence[Shape], device: torch.device, generator: torch.Generator | None = None) -> list[Tensor]:
    """Standard normal noise maps, from `generator` on the CPU, or from the global one of `device`."""
    if generator is None:
        return [torch.randn(shape, device=device) for shape in shapes]
    return [torch.randn(shape, generator=generator).to(device) for shape in shapes]
