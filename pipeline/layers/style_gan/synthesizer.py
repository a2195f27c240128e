"""What the synthesizers on a StyleGAN2 share: networks, the pair as tensors, frames as bytes."""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.style_gan.canvas import Canvas
from pipeline.layers.style_gan.discriminator import Discriminator
from pipeline.layers.style_gan.generator import Generator
from pipeline.layers.style_gan.regularization import PathLength
from pipeline.segmenter import Frame, Synthesizer


class StyleGan(Synthesizer):
    """A generator, its running average, from which is sampled, and a discriminator of images."""

    trunk = "scratch"
    published: tuple[str, ...] = ("average",)
    """The parts that sampling needs."""

    def __init__(
        self, *, canvas: Canvas, channels: Sequence[int], latent: int, mapping: int, heads: Mapping[str, int]
    ) -> None:
        """`channels` of every level from the smallest; one of `heads` is the `image`."""
        super().__init__()
        self.canvas, self.size = canvas, canvas.size
        self.generator = Generator(start=canvas.start, channels=channels, latent=latent, mapping=mapping, heads=heads)
        self.average = deepcopy(self.generator).requires_grad_(False)
        self.critic = Discriminator(start=canvas.start, channels=channels)
        self.path = PathLength()

    def pair(self, frame: Frame) -> tuple[Tensor, Tensor]:
        """Images (b, 3, h, w) in [-1, 1] and masks (b, h, w) int64 at the networks' resolution.

        One copy where all of the batch are views of one pair: every loss of reals is then that of one. The minibatch
        deviation of equal samples is 0, and so is its slope.
        """
        assert frame.masks is not None
        same = frame.images.stride(0) == 0
        images, masks = (frame.images[:1], frame.masks[:1]) if same else (frame.images, frame.masks)
        height, width = self.canvas.resolution
        if images.shape[2:] != (height, width):
            images = _resized(images, (height, width))
            masks = F.interpolate(masks[:, None].float(), (height, width), mode="nearest-exact")[:, 0]
        return images.float().contiguous() / 127.5 - 1, masks.long()

    def frame(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """An image (3, h, w) in [-1, 1] and its mask (h, w) as bytes at `size`."""
        pixels, mask = (image.float().clamp(-1, 1) + 1) * 127.5, mask.to(torch.uint8)
        if pixels.shape[1:] != self.size:
            pixels = _resized(pixels[None], self.size)[0]
            mask = F.interpolate(mask[None, None].float(), self.size, mode="nearest-exact")[0, 0].to(torch.uint8)
        return pixels.round().clamp(0, 255).to(torch.uint8), mask

    def weights(self) -> dict[str, Tensor]:
        """Of the parts that sampling needs."""
        return {name: value for name, value in self.state_dict().items() if name.split(".")[0] in self.published}

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up those, leaving the rest as it is; `KeyError` where one is not there."""
        missing = self.weights().keys() - weights.keys()
        if missing:
            raise KeyError(f"the weights lack {min(missing)}")
        self.load_state_dict({**self.state_dict(), **weights})


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(images.float(), size, mode="bilinear", antialias=True)
