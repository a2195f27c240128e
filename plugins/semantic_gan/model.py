"""SemanticGAN: a StyleGAN2 that makes image and mask together (Li et al., CVPR 2021, arXiv 2104.05833).

At the published widths and 512x512, with two classes: 30,276,583 parameters of a StyleGAN2, and those of ToSEG.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from pipeline.layers.patch_gan import PatchGan
from pipeline.layers.style_gan.canvas import START, Canvas, canvas
from pipeline.layers.style_gan.generator import widths
from pipeline.layers.style_gan.synthesizer import StyleGan
from pipeline.layers.style_gan.training import Schedule
from plugins.semantic_gan.training import Semantic


def build(
    *,
    height: int,
    width: int,
    objects: int,
    start: START = "square",
    max_size: int = 640,
    frame: tuple[int, int] | None = None,
    clamp_grid: bool = True,
    base: int = 32768,
    most: int = 512,
    latent: int = 512,
    mapping: int = 8,
    patch_width: int = 64,
    samples: int = 1_600_000,
    batch: int = 16,
    learning_rate: float = 2e-3,
    r1: float = 10,
    r1_every: int = 16,
    path: float = 2,
    path_every: int = 4,
    mixing: float = 0.9,
    half_life: float = 10_000,
    matching: float = 2,
    through_image: bool = False,
) -> "SemanticGan":
    """The networks and their one stage."""
    model = SemanticGan(
        canvas=canvas(height, width, start=start, max_size=max_size, frame=frame, clamp=clamp_grid),
        classes=objects + 1,
        base=base,
        most=most,
        latent=latent,
        mapping=mapping,
        patch_width=patch_width,
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
    model.stages = (Semantic(model, schedule, matching=matching, through_image=through_image),)
    return model


class SemanticGan(StyleGan):
    """A ToSEG beside every ToRGB, and a critic of pairs."""

    def __init__(
        self, *, canvas: Canvas, classes: int, base: int, most: int, latent: int, mapping: int, patch_width: int
    ) -> None:
        """`classes` are the objects and the background."""
        channels, heads = widths(canvas.doublings + 1, base, most), {"image": 3, "mask": classes}
        super().__init__(canvas=canvas, channels=channels, latent=latent, mapping=mapping, heads=heads)
        self.pairs = PatchGan(3 + classes, width=patch_width)

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Without truncation, with constant noise; the mask is the likeliest class."""
        for _ in range(count):
            z = torch.randn(1, self.average.latent, generator=generator).to(self.average.constant.device)
            styles = self.average.broadcast(self.average.mapping(z))
            heads = self.average(styles, self.average.constant_noise()).heads
            yield self.frame(heads["image"][0], heads["mask"][0].argmax(0))
