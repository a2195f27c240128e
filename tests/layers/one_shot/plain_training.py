"""One iteration as the specification tells it, with the plain networks: no step spares anything."""

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.one_shot.losses import Role
from pipeline.layers.one_shot.training import BETAS, Adversarial, Pair
from tests.layers.one_shot import plain


class PlainAdversarial(Adversarial):
    """Turns the model's networks into plain ones at setup."""

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        super().setup(device, dtype)
        plain.slowed(self.model.generator)
        plain.slowed(self.model.discriminator)
        networks = self.model.generator, self.model.discriminator
        self._learners = [torch.optim.Adam(n.parameters(), lr=self._rate, betas=BETAS, foreach=False) for n in networks]

    def step(self, batches, done) -> Mapping[str, Tensor]:
        for number, batch in enumerate(batches):
            metrics = self.iterate(batch.queries[0], done + number * self.batch < self._bernoulli_samples)
        return metrics

    def iterate(self, frame, bernoulli: bool) -> Mapping[str, Tensor]:
        model, (of_generator, of_discriminator) = self.model, self._learners
        size, metrics = len(frame.images), {}
        of_generator.zero_grad()
        made = model.generator(torch.randn(size, model.generator.latent))
        loss = self.total(Pair(made.images, made.masks), "generator", bernoulli)
        if self._diversity:
            loss = loss + self._diversity * plain.diversity(made.features)
        loss.backward()
        of_generator.step()
        metrics["generator_loss"] = loss.detach()
        of_discriminator.zero_grad()
        with torch.no_grad():
            made = model.generator(torch.randn(size, model.generator.latent))
        for role, pair in (("real", self.read(frame)), ("fake", Pair(made.images, made.masks))):
            loss = self.total(pair, role, bernoulli)
            loss.backward()
            metrics[f"{role}_loss"] = loss.detach()
        of_discriminator.step()
        with torch.no_grad():
            state = model.generator.state_dict()
            for name, value in model.average.state_dict().items():
                value.copy_(self._decay * value + (1 - self._decay) * state[name])
        return metrics

    def read(self, frame) -> Pair:
        images = [frame.images / 127.5 - 1]
        for _ in range(self.model.generator.levels - 1):
            images.append(F.interpolate(images[-1], scale_factor=0.5, mode="bilinear"))
        if self.model.generator.mask is None:
            return Pair(images, None)
        masks = F.one_hot(frame.masks.long(), self.model.generator.mask.out_channels)
        return Pair(images, masks.movedim(-1, 1).to(images[0].dtype))

    def total(self, pair: Pair, role: Role, bernoulli: bool) -> Tensor:
        """Code weights, cross-entropy between logits and constant targets, objects one by one."""
        images, masks = self._augment(pair.images, pair.masks, real=role == "real")
        verdict = self.model.discriminator(images, masks, real=role == "real", bernoulli=bernoulli)
        blocks, total = len(verdict.low_level) + len(verdict.layout), 0.0
        for weight, heads in ((1.0, verdict.low_level), (0.5, verdict.layout)):
            for logits in heads:
                total = total + weight / blocks * binary(logits, role)
        if self.model.discriminator.objects:
            heads = plain.objects(verdict.content, masks.detach(), role)
        else:
            heads = [binary(logits, role) for logits in verdict.content]
        return total + sum(0.5 / blocks * each for each in heads)


def binary(logits: Tensor, role: Role) -> Tensor:
    target = torch.zeros_like(logits) if role == "fake" else torch.ones_like(logits)
    return F.binary_cross_entropy_with_logits(logits, target)


def plainly(model) -> PlainAdversarial:
    """A copy of `model` that is trained plainly: its stage."""
    stage = copy.deepcopy(model.stages[0])
    stage.__class__ = PlainAdversarial
    return stage
