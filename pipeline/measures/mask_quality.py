"""How well masks fit their images (OSMIS, section 4.1): a network is trained on the one and tested on the other."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.measures.light_augmentation import augmented
from pipeline.measures.mask_scores import MaskScores, mask_scores
from pipeline.measures.pair import Pair, scaled_images, scaled_masks
from pipeline.measures.unet import UNet

MULTIPLE = 32
"""Sides of images that the U-Net takes."""


@dataclass(frozen=True)
class Schedule:
    """The released script's; smaller ones are for machines without a GPU."""

    width: int = 1
    """Divides the channels of the network."""
    iterations: int = 500
    batch: int = 5
    tests: int = 101
    """Batches of augmented copies of the real pair, on which the network is tested."""
    learning_rate: float = 1e-4
    side: int | None = None
    """Of the longest side of an image at most; None leaves it as it is."""
    seed: int = 0


def fitted_size(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """(H, W) within `side`, rounded to the nearest multiples of 32."""
    scale = 1.0 if side is None else min(1.0, side / max(size))
    height, width = (max(1, round(length * scale / MULTIPLE)) * MULTIPLE for length in size)
    return height, width


class Judge:
    """Trains and tests networks on one pair and its fakes, in either direction."""

    def __init__(self, pair: Pair, schedule: Schedule, encoder: Mapping[str, Tensor] | None) -> None:
        """The `encoder` starts from these published weights of ResNet-18; from scratch if None, or where narrower."""
        self.schedule, self.classes = schedule, pair.objects + 1
        self._encoder = encoder if schedule.width == 1 else None
        size = fitted_size((int(pair.fakes[0].shape[-2]), int(pair.fakes[0].shape[-1])), schedule.side)
        image, mask = pair.real
        self.real = scaled_images(image[None], size), scaled_masks(mask[None], size)
        self.fakes = scaled_images(pair.fakes[0], size), scaled_masks(pair.fakes[1], size)

    def train_on_fakes(self) -> MaskScores:
        """Trained on the fakes, tested on augmented copies of the real pair: scores of each copy."""
        network, generator = self._trained(*self.fakes), self._generator(1)
        images, masks = (part.expand(self.schedule.batch, *part.shape[1:]) for part in self.real)
        tests = (augmented(images, masks, generator) for _ in range(self.schedule.tests))
        return MaskScores.joined([self._tested(network, *test) for test in tests])

    def train_on_real(self) -> MaskScores:
        """Trained on augmented copies of the real pair, tested on the fakes as they are: scores of each fake."""
        network = self._trained(*self.real)
        batches = zip(*(torch.split(part, self.schedule.batch) for part in self.fakes), strict=True)
        return MaskScores.joined([self._tested(network, *batch) for batch in batches])

    def _trained(self, images: Tensor, masks: Tensor) -> UNet:
        """A network trained on these pairs, taken in turn and augmented."""
        schedule, generator = self.schedule, self._generator(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(schedule.seed)
            network = UNet(self.classes, width=schedule.width)
        if self._encoder is not None:
            network.encoder.load_published(self._encoder)
        network.to(images.device).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=schedule.learning_rate)
        ids = torch.arange(self.classes, device=images.device)[:, None, None]
        for iteration in range(schedule.iterations):
            chosen = torch.arange(schedule.batch, device=images.device) + iteration * schedule.batch
            batch, truth = augmented(images[chosen % len(images)], masks[chosen % len(images)], generator)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(mask_loss(network(_prepared(batch)), (truth[:, None] == ids).float()))
            optimizer.step()
        return network.eval()

    @torch.no_grad()
    def _tested(self, network: UNet, images: Tensor, masks: Tensor) -> MaskScores:
        return mask_scores(network(_prepared(images)).argmax(1), masks, self.classes)

    def _generator(self, stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(2 * self.schedule.seed + stream)


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Half binary cross-entropy over all channels, half Dice on sigmoids, of (B, N, H, W) each.

    Dice is of each image and channel, with 1 added to both parts, and averaged.
    """
    found = logits.sigmoid()
    overlap = 2 * (found * truth).sum((2, 3)) + 1
    dice = 1 - (overlap / (found.sum((2, 3)) + truth.sum((2, 3)) + 1)).mean()
    return 0.5 * F.binary_cross_entropy_with_logits(logits, truth) + 0.5 * dice


def _prepared(images: Tensor) -> Tensor:
    return (images.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
