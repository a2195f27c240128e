"""Adversarial losses of One-Shot GAN and OSMIS: a binary decision a place, and a class a pooled object.

OSMIS' object head tells N objects and "fake" apart (Eq. 5), each weighted by the inverse of its area (Eq. 6).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.one_shot.discriminator import Verdict
from pipeline.layers.one_shot.precision import wide

Role = Literal["generator", "real", "fake"]
"""Whose step it is: the generator's on fakes, or the discriminator's on real images or on fakes."""
Adversary = Literal["bce", "hinge", "wgan"]
Weights = Literal["code", "paper"]


@dataclass(frozen=True)
class AdversarialLoss:
    """A verdict -> one loss, and its parts by branch."""

    adversary: Adversary = "bce"
    """Of the binary decisions alone; the object head is always a cross-entropy."""
    weights: Weights = "code"
    """`code`: the sum of all heads, those of content and layout halved, over the number of blocks; `paper`: the mean of
    each branch, low-level ones doubled (Eq. 1)."""
    balance_generator: bool = True
    """Whether objects are weighted by the area of the fake masks in the generator's step, as released."""

    def __call__(self, verdict: Verdict, masks: Tensor | None, role: Role) -> dict[str, Tensor]:
        """`loss`, `low_level`, `content` and `layout`, in float32 or wider.

        `masks` (B, N, H, W) are those the discriminator was given, at full size; None where objects are not told apart.
        """
        binary = _BINARY[self.adversary]
        low = torch.stack([binary(wide(logits), role) for logits in verdict.low_level])
        layout = torch.stack([binary(wide(logits), role) for logits in verdict.layout])
        if masks is None:
            content = torch.stack([binary(wide(logits), role) for logits in verdict.content])
        else:
            content = object_loss(wide(verdict.content), masks, role, balance_generator=self.balance_generator)
        if self.weights == "paper":
            parts = {"low_level": 2 * low.mean(), "content": content.mean(), "layout": layout.mean()}
        else:
            total = len(low) + len(layout)
            parts = {
                "low_level": low.sum() / total,
                "content": content.sum() / (2 * total),
                "layout": layout.sum() / (2 * total),
            }
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}


def object_loss(logits: Tensor, masks: Tensor, role: Role, *, balance_generator: bool = True) -> Tensor:
    """Logits (blocks, N * B, N + 1), rows object by object, and masks (B, N, H, W) -> (blocks,) cross-entropies.

    A row's target is its object, or N, "fake", in the discriminator's step on fakes. Rows are averaged with the weights
    of their targets: one over the area of the object in the whole batch, 0 for one that is nowhere, 1 for "fake".
    """
    batch, count = masks.shape[:2]
    objects = torch.arange(count, device=logits.device).repeat_interleave(batch)
    weights = logits.new_ones(count * batch)
    if role == "real" or (role == "generator" and balance_generator):
        area = masks.detach().to(logits.dtype).sum((0, 2, 3))
        weights = torch.where(area > 0, 1 / area, 0.0).repeat_interleave(batch)
    targets = torch.full_like(objects, count) if role == "fake" else objects
    each = F.cross_entropy(logits.flatten(0, 1), targets.repeat(len(logits)), reduction="none")
    return (each.view(len(logits), -1) * weights).sum(1) / weights.sum()


def patch_loss(logits: Sequence[Tensor], role: Role) -> Tensor:
    """Hinge loss of a multi-scale discriminator, the mean over its scales."""
    return torch.stack([_hinge(wide(each), role) for each in logits]).mean()


def _bce(logits: Tensor, role: Role) -> Tensor:
    return F.softplus(logits if role == "fake" else -logits).mean()


def _hinge(logits: Tensor, role: Role) -> Tensor:
    if role == "generator":
        return -logits.mean()
    return F.relu(1 + logits if role == "fake" else 1 - logits).mean()


def _wgan(logits: Tensor, role: Role) -> Tensor:
    return logits.mean() if role == "fake" else -logits.mean()


_BINARY: dict[Adversary, Callable[[Tensor, Role], Tensor]] = {"bce": _bce, "hinge": _hinge, "wgan": _wgan}
