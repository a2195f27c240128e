"""Training a StyleGAN2 on one image: a non-saturating logistic loss, lazy regularization, style mixing, an average."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.one_shot.average import follow
from pipeline.layers.style_gan.generator import Made
from pipeline.layers.style_gan.mapping import mixed
from pipeline.layers.style_gan.regularization import lazy_adam, path_lengths, r1_penalty
from pipeline.layers.style_gan.synthesizer import StyleGan
from pipeline.segmenter import Batch
from pipeline.stage import Stage


@dataclass(frozen=True)
class Schedule:
    """Numbers of the training; the defaults are those of StyleGAN2 and SemanticGAN."""

    samples: int
    batch: int = 16
    learning_rate: float = 2e-3
    r1: float = 10
    r1_every: int = 16
    path: float = 2
    path_every: int = 4
    path_shrink: int = 2
    """A path length batch is smaller by this factor."""
    mixing: float = 0.9
    half_life: float = 10_000
    """Images after which old weights make up half of the average."""

    def decay(self, images: int) -> float:
        """What the old average weighs after so many new images."""
        return math.pow(0.5, images / self.half_life)


class Adversarial(Stage):
    """Generator and discriminator of images; a subclass may add critics."""

    name = "adversarial"

    def __init__(self, model: StyleGan, schedule: Schedule) -> None:
        """Train `model` in place."""
        self.model, self.schedule = model, schedule
        self.samples, self.batch = schedule.samples, schedule.batch

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Make an optimizer for each network; regularization is always in float32."""
        if dtype == torch.float16:
            raise UserError("precision float16 has too small a range for this GAN: set precision=bfloat16 or float32")
        self._device, self._dtype = device, dtype
        rate = self.schedule.learning_rate
        self.optimizers = {
            "generator": lazy_adam(list(self.model.generator.parameters()), rate, self.schedule.path_every),
            "critic": lazy_adam(list(self.model.critic.parameters()), rate, self.schedule.r1_every),
        }
        self._latest = {"r1": torch.zeros((), device=device), "path": torch.zeros((), device=device)}

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """Alternate critics and generator; the penalties reported are the latest."""
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            query = batch.queries[0]
            images, masks = self.model.pair(query)
            for name, value in self._update(images, masks, len(query.images), done // self.batch + number).items():
                sums[name] = sums.get(name, 0) + value.detach() / len(batches)
        return sums | self._latest

    def state(self) -> dict[str, Any]:
        """The optimizers' states and the latest penalties."""
        return {
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "latest": self._latest,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up both."""
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self._latest = {name: value.to(self._device) for name, value in state["latest"].items()}

    def teach(self, images: Tensor, masks: Tensor, made: Made) -> dict[str, Tensor]:
        """Update further critics on the real pair and on what was made; their losses by name."""
        return {}

    def guide(self, images: Tensor, masks: Tensor, made: Made) -> dict[str, Tensor]:
        """Further losses of the generator by name."""
        return {}

    def make(self, count: int) -> tuple[Made, Tensor]:
        """`count` samples with mixed styles and new noise, and the styles (B, L, latent)."""
        generator = self.model.generator
        first, second = generator.mapping(torch.randn(2 * count, generator.latent, device=self._device)).chunk(2)
        generator.mapping.follow(first)
        styles = mixed(generator.broadcast(first), generator.broadcast(second), self.schedule.mixing)
        return generator(styles, generator.random_noise(count)), styles

    def minimize(self, name: str, loss: Tensor) -> None:
        """One step of one optimizer."""
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizers[name].step()

    def autocast(self) -> torch.autocast:
        """The precision of everything but regularization."""
        return torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32)

    def _update(self, images: Tensor, masks: Tensor, count: int, update: int) -> dict[str, Tensor]:
        model, schedule = self.model, self.schedule
        losses = self._teach_critics(images, masks, count)
        if update % schedule.r1_every == 0:
            penalty = r1_penalty(model.critic, images)
            self.minimize("critic", schedule.r1 / 2 * schedule.r1_every * penalty)
            self._latest["r1"] = penalty.detach()
        losses |= self._teach_generator(images, masks, count)
        if update % schedule.path_every == 0:
            made, styles = self.make(max(1, count // schedule.path_shrink))
            penalty = model.path(path_lengths(made.heads["image"], styles))
            self.minimize("generator", schedule.path * schedule.path_every * penalty)
            self._latest["path"] = penalty.detach()
        follow(model.average, model.generator, schedule.decay(count))
        return losses

    def _teach_critics(self, images: Tensor, masks: Tensor, count: int) -> dict[str, Tensor]:
        with self.autocast():
            with torch.no_grad():
                made, _ = self.make(count)
            real, fake = self.model.critic(images), self.model.critic(made.heads["image"])
            loss = F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()
        self.minimize("critic", loss)
        return {"critic": loss} | self.teach(images, masks, made)

    def _teach_generator(self, images: Tensor, masks: Tensor, count: int) -> dict[str, Tensor]:
        self.model.critic.requires_grad_(False)  # its own gradients are not wanted here
        with self.autocast():
            made, _ = self.make(count)
            losses = {"generator": F.softplus(-self.model.critic(made.heads["image"]).float()).mean()}
            losses |= self.guide(images, masks, made)
        self.model.critic.requires_grad_(True)
        self.minimize("generator", torch.stack(list(losses.values())).sum())
        return losses
