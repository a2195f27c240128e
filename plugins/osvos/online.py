"""Fine-tuning of the parent network on the one annotated frame (arXiv 1611.05198, section 3), and what extends it."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.standard import augmented
from pipeline.seeds import derive
from plugins.osvos.network import Network
from plugins.osvos.training import BORDER, balanced, groups

CHECK = 100
"""Updates between two looks at the loss, each of which waits for the device."""


@dataclass(frozen=True)
class Pairs:
    """All that a network may be tuned on, at one size."""

    images: Tensor
    """(N, 3, H, W) uint8: the originals first, then the synthetic ones."""
    masks: Tensor
    """(N, H, W) uint8 index masks."""
    originals: int
    standard: bool
    """Whether each pass sees a pair under an augmentation of its own."""
    seed: int


@dataclass(frozen=True)
class Online:
    """How a copy of the parent is tuned: an update for every `batch` of `passes`, at a fixed rate."""

    passes: int
    batch: int
    learning_rate: float
    momentum: float
    decay: float
    original_share: float | None
    """Chance of a pass to see an original pair where there are synthetic ones; None: all pairs are as likely."""

    def __call__(self, parent: Network, pairs: Pairs, number: int) -> Network:
        """A network of object `number`; the same for the same pairs on the same device. The parent stays as it is.

        `UserError` where the loss is no longer finite.
        """
        network = deepcopy(parent).to(memory_format=torch.channels_last).requires_grad_(True)
        optimizer = torch.optim.SGD(
            groups(network, self.learning_rate, self.decay, scores=False), momentum=self.momentum
        )
        generator = torch.Generator().manual_seed(derive(pairs.seed, "augment", number) % 2**63)
        picks = self.picks(pairs, generator)
        total = torch.zeros((), device=pairs.images.device)
        for done, chosen in enumerate(torch.split(picks, self.batch), start=1):
            optimizer.zero_grad(set_to_none=True)
            loss = _loss(network, pairs, chosen, number, generator)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total = total + loss.detach()
            if (done % CHECK == 0 or done * self.batch == len(picks)) and not bool(torch.isfinite(total)):
                raise UserError(
                    f"the loss of object {number} is {float(total)} after {done * self.batch} passes: lower online_rate"
                )
        return network.requires_grad_(False)

    def picks(self, pairs: Pairs, generator: torch.Generator) -> Tensor:
        """(passes,) int64: which pair each pass sees; passes that make no whole update are left out."""
        passes, extra = self.passes // self.batch * self.batch, len(pairs.images) - pairs.originals
        originals = torch.randint(pairs.originals, (passes,), generator=generator)
        if not extra:
            return originals
        share = pairs.originals / len(pairs.images) if self.original_share is None else self.original_share
        kept = torch.rand(passes, generator=generator) < share
        return torch.where(kept, originals, pairs.originals + torch.randint(extra, (passes,), generator=generator))


def _loss(network: Network, pairs: Pairs, chosen: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Mean of the fused loss over the pairs `chosen`; what is chosen twice and looks alike is computed once."""
    counts = torch.ones(len(chosen))
    if not pairs.standard:
        chosen, counts = torch.unique(chosen, return_counts=True)
    device = pairs.images.device
    places = chosen.to(device)
    images, masks = pairs.images[places], pairs.masks[places]
    if pairs.standard:
        images, masks = augmented(images, masks, generator, border=BORDER)
    losses = balanced(network(images), masks == number)
    return (losses * counts.to(device)).sum() / counts.sum().to(device)
