"""DatasetGAN: a StyleGAN whose features an ensemble of small networks labels (Zhang et al., CVPR 2021).

At the published widths and 512x512: 4,544 features a pixel, from a generator of 24,860,935 parameters (those of
StyleGAN2's configuration E).
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.style_gan.canvas import START, Canvas, canvas
from pipeline.layers.style_gan.generator import widths
from pipeline.layers.style_gan.synthesizer import StyleGan
from pipeline.layers.style_gan.training import Adversarial, Schedule
from plugins.dataset_gan.annotation import Annotate
from plugins.dataset_gan.ensemble import Ensemble, disagreement, vote
from plugins.dataset_gan.features import enlarged, stacked


def build(
    *,
    height: int,
    width: int,
    objects: int,
    start: START = "square",
    max_size: int = 640,
    frame: tuple[int, int] | None = None,
    clamp_grid: bool = True,
    base: int = 16384,
    most: int = 512,
    latent: int = 512,
    mapping: int = 8,
    samples: int = 1_600_000,
    batch: int = 16,
    learning_rate: float = 2e-3,
    r1: float = 10,
    r1_every: int = 16,
    path: float = 2,
    path_every: int = 4,
    mixing: float = 0.9,
    half_life: float = 10_000,
    members: int = 10,
    annotation_samples: int = 100,
    annotation_rate: float = 1e-3,
    candidates: int = 64,
    truncation: float = 0.7,
    truncated_layers: int = 8,
    discard: float = 0,
) -> "DatasetGan":
    """Fit the generator, then its labels; sampling truncates the first styles and lets the ensemble vote."""
    model = DatasetGan(
        canvas=canvas(height, width, start=start, max_size=max_size, frame=frame, clamp=clamp_grid),
        classes=objects + 1,
        base=base,
        most=most,
        latent=latent,
        mapping=mapping,
        members=members,
        truncation=(truncation, truncated_layers),
        discard=discard,
    )
    schedule = Schedule(
        samples=samples,
        batch=batch,
        learning_rate=learning_rate,
        r1=r1,
        r1_every=r1_every,
        path=path,
        path_every=path_every,
        mixing=mixing,
        half_life=half_life,
    )
    annotate = Annotate(model, passes=annotation_samples, candidates=candidates, learning_rate=annotation_rate)
    model.stages = (Adversarial(model, schedule), annotate)
    return model


class DatasetGan(StyleGan):
    """A generator and the ensemble that labels what it makes."""

    published = ("average", "ensemble", "latent")
    latent: Tensor
    """(latent,): of the image that was labelled."""

    def __init__(
        self,
        *,
        canvas: Canvas,
        classes: int,
        base: int,
        most: int,
        latent: int,
        mapping: int,
        members: int,
        truncation: tuple[float, int],
        discard: float,
    ) -> None:
        """`truncation` of how many first layers; `discard` is the share of samples whose label is least certain."""
        if not 0 <= discard < 1:
            raise UserError(
                f"discard is {discard}, but a share of samples is left out: give a number from 0 to below 1"
            )
        channels = widths(canvas.doublings + 1, base, most)
        super().__init__(canvas=canvas, channels=channels, latent=latent, mapping=mapping, heads={"image": 3})
        features = channels[0] + 2 * sum(channels[1:])
        self.ensemble = Ensemble(features, classes, members)
        self.register_buffer("latent", torch.zeros(latent))
        self.truncation, self.discard = truncation, discard

    def made(self, z: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The image (1, 3, h, w) of z (1, latent), truncated and with constant noise, and its features by size."""
        made = self.average(self.average.truncated(z, *self.truncation), self.average.constant_noise())
        return made.heads["image"], stacked(made.features)

    def labelled(self, maps: list[Tensor]) -> Tensor:
        """Features of one image -> what each member thinks of every pixel: probabilities (M, classes, h, w)."""
        found = []
        for member, weight in enumerate(self.ensemble.weights[0]):
            first = enlarged(maps, weight, *self.canvas.resolution)
            found.append(self.ensemble.finish(first, member).softmax(1))
        return torch.cat(found)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """In the order they are made; with `discard` more are made, and those whose members agree least left out."""
        total = math.ceil(count / (1 - self.discard))
        if total == count:
            for _ in range(count):
                yield self._sample(generator)[0]
            return
        pairs, doubts = zip(*(self._sample(generator) for _ in range(total)), strict=True)
        for number in sorted(torch.tensor(doubts).argsort(stable=True)[:count].tolist()):
            yield pairs[number]

    def _sample(self, generator: torch.Generator) -> tuple[tuple[Tensor, Tensor], float]:
        z = torch.randn(1, self.average.latent, generator=generator).to(self.latent.device)
        image, maps = self.made(z)
        probabilities = self.labelled(maps)
        return self.frame(image[0], vote(probabilities)), float(disagreement(probabilities).mean())
