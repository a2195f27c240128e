"""OSMIS: image-mask pairs from one of them; its discriminator pools features under the mask (arXiv 2209.07547).

At 384x640 with one object: latents of 64, a noise grid of 3x5, 8 blocks of 256 to 32 channels, 7,139,770 parameters;
a discriminator of 4 low-level blocks (F: 256x24x40), 3 of content and 3 of layout, 3,243,680 parameters.
"""

from collections.abc import Sequence
from typing import Literal

from pipeline.errors import UserError
from pipeline.layers.one_shot.augmentation import Kind, augmentation
from pipeline.layers.one_shot.discriminator import Discriminator, FeatureAugmentation
from pipeline.layers.one_shot.discriminator import Supervision as Judged
from pipeline.layers.one_shot.generator import Generator
from pipeline.layers.one_shot.losses import AdversarialLoss, Adversary, Weights
from pipeline.layers.one_shot.norm import Norm
from pipeline.layers.one_shot.resolution import configure
from pipeline.layers.one_shot.synthesizer import OneShotGan
from pipeline.layers.one_shot.training import Adversarial
from pipeline.layers.patch_gan import PatchGan

Supervision = Literal["mca", "none", "projection", "input_concat", "dm"]


def build(
    *,
    height: int,
    width: int,
    objects: int,
    frame: Sequence[int] | None = None,
    max_size: int = 640,
    clamp_grid: bool = False,
    low_level: int | None = None,
    generator_width: int = 32,
    discriminator_width: int = 32,
    patch_width: int = 64,
    latent: int = 64,
    norm: Norm = "none",
    supervision: Supervision = "mca",
    dm_detach: Literal["features", "image"] = "features",
    samples: int = 750_000,
    batch: int = 5,
    rate: float = 2e-4,
    average: float = 0.9999,
    bernoulli_samples: int = 75_000,
    adversary: Adversary = "bce",
    loss_weights: Weights = "code",
    balance_generator: bool = True,
    diversity: float = 0.15,
    augment: Kind = "ada",
    augment_strength: float = 0.3,
    harden: bool = True,
    feature_augmentation: float = 0.4,
    quirks: bool = True,
    reuse_fake: bool = False,
) -> OneShotGan:
    """Both networks with their numbers, and the one stage that trains them on a pair of height x width pixels.

    `frame` is the size it is warped to, or null for one near its own, at most `max_size` a side; with
    `clamp_grid` its noise grid has three places a side at least. `low_level` replaces
    the number of low-level blocks that goes with the size. `samples` over `batch` is the number of iterations;
    `average` is the decay of the generator's average, 0 for none. `supervision` is how masks are learned: `mca` is
    OSMIS, `none` learns none, `dm` has a PatchGAN on image and mask whose gradient reaches the mask head alone, or with
    `dm_detach: image` all of the generator through its masks.
    """
    size = None if frame is None else (frame[0], frame[1])
    found = configure(height, width, max_size=max_size, frame=size, clamp=clamp_grid, low_level=low_level)
    if objects < 1 and supervision != "none":
        raise UserError(
            "the mask is all background: OSMIS needs one object at least; draw one, or take supervision none"
        )
    channels = objects + 1
    judged: Judged = "none" if supervision == "dm" else supervision
    generator = Generator(
        grid=found.grid,
        blocks=found.blocks,
        levels=found.low_level,
        channels=0 if supervision == "none" else channels,
        width=generator_width,
        latent=latent,
        norm=norm,
        detach=supervision == "dm" and dm_detach == "features",
    )
    discriminator = Discriminator(
        blocks=found.judging,
        low_level=found.low_level,
        channels=channels,
        supervision=judged,
        width=discriminator_width,
        norm=norm,
        augmentation=FeatureAugmentation(content=feature_augmentation, layout=feature_augmentation, quirks=quirks),
    )
    patches = PatchGan(3 + channels, width=patch_width, layers=3, scales=3) if supervision == "dm" else None
    model = OneShotGan(configuration=found, generator=generator, discriminator=discriminator, patches=patches)
    model.stages = (
        Adversarial(
            model,
            samples=samples,
            batch=batch,
            rate=rate,
            augmentation=augmentation(augment, strength=augment_strength, harden=harden),
            loss=AdversarialLoss(adversary=adversary, weights=loss_weights, balance_generator=balance_generator),
            diversity=diversity,
            decay=average,
            bernoulli_samples=bernoulli_samples,
            reuse_fake=reuse_fake,
        ),
    )
    return model
