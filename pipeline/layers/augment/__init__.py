"""Differentiable augmentation of a discriminator's inputs: an image pyramid, and the masks that belong to it."""

from pipeline.layers.augment.ada import AdaAugmentation as AdaAugmentation
from pipeline.layers.augment.reduced import ReducedAugmentation as ReducedAugmentation
