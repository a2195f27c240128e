"""One-Shot GAN: images, without masks, from a single one (arXiv 2105.05847), in the form that OSMIS is compared with.

At 384x640: a generator of 7,139,192 parameters, a discriminator of 2,453,402 whose content branch judges the global
average of the features, 4 low-level blocks of 7.
"""

from collections.abc import Sequence

from pipeline.layers.one_shot.augmentation import Kind, augmentation
from pipeline.layers.one_shot.discriminator import Discriminator, FeatureAugmentation
from pipeline.layers.one_shot.generator import Generator
from pipeline.layers.one_shot.losses import AdversarialLoss, Adversary, Weights
from pipeline.layers.one_shot.norm import Norm
from pipeline.layers.one_shot.resolution import configure
from pipeline.layers.one_shot.synthesizer import OneShotGan
from pipeline.layers.one_shot.training import Adversarial


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
    latent: int = 64,
    norm: Norm = "none",
    samples: int = 750_000,
    batch: int = 5,
    rate: float = 2e-4,
    average: float = 0.9999,
    adversary: Adversary = "bce",
    loss_weights: Weights = "code",
    diversity: float = 0.15,
    augment: Kind = "reduced",
    augment_strength: float = 0.7,
    feature_augmentation: float = 0.4,
    quirks: bool = True,
    reuse_fake: bool = False,
) -> OneShotGan:
    """Both networks with their numbers, and the one stage that trains them on an image of height x width pixels.

    `frame` is the size it is warped to, or null for one near its own, at most `max_size` a side; with
    `clamp_grid` its noise grid has three places a side at least. The `objects` of its mask are not looked at. `samples`
    over `batch` is the number of iterations; `average` is the decay of the generator's average, 0 for none.
    """
    size = None if frame is None else (frame[0], frame[1])
    found = configure(height, width, max_size=max_size, frame=size, clamp=clamp_grid, low_level=low_level)
    generator = Generator(
        grid=found.grid,
        blocks=found.blocks,
        levels=found.low_level,
        channels=0,
        width=generator_width,
        latent=latent,
        norm=norm,
    )
    discriminator = Discriminator(
        blocks=found.judging,
        low_level=found.low_level,
        channels=objects + 1,
        supervision="none",
        width=discriminator_width,
        norm=norm,
        augmentation=FeatureAugmentation(content=feature_augmentation, layout=feature_augmentation, quirks=quirks),
    )
    model = OneShotGan(configuration=found, generator=generator, discriminator=discriminator)
    model.stages = (
        Adversarial(
            model,
            samples=samples,
            batch=batch,
            rate=rate,
            augmentation=augmentation(augment, strength=augment_strength, harden=False),
            loss=AdversarialLoss(adversary=adversary, weights=loss_weights),
            diversity=diversity,
            decay=average,
            bernoulli_samples=0,
            reuse_fake=reuse_fake,
        ),
    )
    return model
