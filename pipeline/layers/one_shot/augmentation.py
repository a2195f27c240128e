"""Which differentiable augmentation a discriminator's inputs go through."""

from collections.abc import Sequence
from typing import Literal, Protocol

from torch import Tensor

from pipeline.layers.augment.ada import AdaAugmentation
from pipeline.layers.augment.reduced import ReducedAugmentation

Kind = Literal["ada", "reduced", "none"]


class Augmentation(Protocol):
    """The same random change to every level of a pyramid and to the masks, in each sample."""

    def __call__(
        self, levels: Sequence[Tensor], masks: Tensor | None, *, real: bool
    ) -> tuple[list[Tensor], Tensor | None]:
        """Levels (B, 3, H / 2^i, W / 2^i) in [-1, 1] and masks (B, N, H, W)."""


def augmentation(kind: Kind, *, strength: float, harden: bool) -> Augmentation:
    """`ada`, all its operations, or `reduced`, with probability `strength`; `harden` makes real masks one-hot again."""
    if kind == "reduced":
        return ReducedAugmentation(strength=strength, harden=harden)
    return AdaAugmentation(strength=strength if kind == "ada" else 0.0, harden=harden)
