"""SemanticGAN's training: a second critic of image and mask together (Li et al., CVPR 2021, sections 3.2 and 3.3)."""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.patch_gan import feature_matching, judged
from pipeline.layers.style_gan.generator import Made
from pipeline.layers.style_gan.regularization import lazy_adam
from pipeline.layers.style_gan.training import Adversarial, Schedule

if TYPE_CHECKING:
    from plugins.semantic_gan.model import SemanticGan


class Semantic(Adversarial):
    """Adds a hinge loss on pairs, and matching of the pair critic's features."""

    def __init__(self, model: "SemanticGan", schedule: Schedule, *, matching: float, through_image: bool) -> None:
        """`matching` weighs the features; the pair critic's gradient reaches the image only with `through_image`."""
        super().__init__(model, schedule)
        self.pairs, self.matching, self.through_image = model.pairs, matching, through_image

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """One optimizer more, of the same numbers as the image critic's."""
        super().setup(device, dtype)
        rate, every = self.schedule.learning_rate, self.schedule.r1_every
        self.optimizers["pairs"] = lazy_adam(list(self.pairs.parameters()), rate, every)

    def teach(self, images: Tensor, masks: Tensor, made: Made) -> dict[str, Tensor]:
        """Hinge losses of the pair critic, averaged over its scales."""
        probabilities = _probabilities(made)
        with self.autocast():
            real = judged(self.pairs(images, _channels(masks, probabilities)))
            fake = judged(self.pairs(made.heads["image"].detach(), probabilities.detach()))
            losses = [
                F.relu(1 - r.float()).mean() + F.relu(1 + f.float()).mean() for r, f in zip(real, fake, strict=True)
            ]
            loss = torch.stack(losses).mean()
        self.minimize("pairs", loss)
        return {"pairs": loss}

    def guide(self, images: Tensor, masks: Tensor, made: Made) -> dict[str, Tensor]:
        """What the pair critic says of what was made, and how far its features are from the real pair's."""
        probabilities, image = _probabilities(made), made.heads["image"]
        self.pairs.requires_grad_(False)
        with torch.no_grad():
            real = self.pairs(images, _channels(masks, probabilities))
        fake = self.pairs(image if self.through_image else image.detach(), probabilities)
        self.pairs.requires_grad_(True)
        real = [[r.expand(len(image), -1, -1, -1) for r in features] for features in real]
        return {
            "mask": -torch.stack([logits.float().mean() for logits in judged(fake)]).mean(),
            "matching": self.matching * feature_matching(fake, real),
        }


def _probabilities(made: Made) -> Tensor:
    return made.heads["mask"].float().softmax(1)


def _channels(masks: Tensor, like: Tensor) -> Tensor:
    """Index masks (b, h, w) -> one channel a class, 0 or 1."""
    return F.one_hot(masks, like.shape[1]).movedim(3, 1).to(like.dtype)
