"""The training of One-Shot GAN and OSMIS: a step of the generator, one of the discriminator on real and on fake pairs.

The discriminator learns nothing in the generator's step, so that its weights' gradients are not computed there; the
pictures are halved once; the step waits for the device nowhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.one_shot.augmentation import Augmentation
from pipeline.layers.one_shot.average import follow
from pipeline.layers.one_shot.diversity import diversity_loss
from pipeline.layers.one_shot.generator import Made
from pipeline.layers.one_shot.losses import AdversarialLoss, Role, patch_loss
from pipeline.layers.one_shot.synthesizer import OneShotGan
from pipeline.layers.patch_gan import judged
from pipeline.segmenter import Batch, Frame
from pipeline.stage import Stage

BETAS = (0.5, 0.999)


class Pair(NamedTuple):
    """What the discriminator is given."""

    images: list[Tensor]
    """(B, 3, H / 2^i, W / 2^i) in [-1, 1]."""
    masks: Tensor | None
    """(B, N, H, W); None where no masks are learned."""


class Adversarial(Stage):
    """Adam on both networks, and the generator's average after every iteration. One batch is one iteration."""

    name = "adversarial"

    def __init__(
        self,
        model: OneShotGan,
        *,
        samples: int,
        batch: int,
        rate: float,
        augmentation: Augmentation,
        loss: AdversarialLoss,
        diversity: float,
        decay: float,
        bernoulli_samples: int,
        reuse_fake: bool = False,
    ) -> None:
        """Masks of fakes are drawn for the first `bernoulli_samples` samples, then the greatest channel is taken.

        `diversity` weighs the diversity regularization, 0 leaves it out; `decay` is the average's, 0 for none. With
        `reuse_fake` the discriminator sees the fakes of the generator's step instead of new ones, which is faster and
        another algorithm.
        """
        self.model, self.samples, self.batch = model, samples, batch
        self._rate, self._augment, self._loss = rate, augmentation, loss
        self._diversity, self._decay = diversity, decay
        self._bernoulli_samples, self._reuse = bernoulli_samples, reuse_fake

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Make the optimizers; weights stay in float32, and in `dtype` are the convolutions' products."""
        if dtype == torch.float16:
            raise UserError(
                "precision float16 has too small a range for this GAN's gradients: take bfloat16 or float32"
            )
        self._device, self._dtype = device, dtype
        self._seen: dict[str, Pair] = {}
        model = self.model
        self._judges = [model.discriminator, *([] if model.patches is None else [model.patches])]
        self._learners = [self._adam(model.generator.parameters())]
        self._learners.append(self._adam(p for judge in self._judges for p in judge.parameters()))
        self._generate: Callable[..., Any] = model.generator
        self._judge: Callable[..., Any] = model.discriminator
        if self.compile:
            self._generate, self._judge = torch.compile(model.generator), torch.compile(model.discriminator)

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """One iteration a batch."""
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            bernoulli = done + number * self.batch < self._bernoulli_samples
            for name, value in self._update(self._real(batch.queries[0]), bernoulli).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value / len(batches)
        return sums

    def state(self) -> dict[str, Any]:
        """Both optimizers."""
        return {"optimizers": [learner.state_dict() for learner in self._learners]}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take them up."""
        for learner, saved in zip(self._learners, state["optimizers"], strict=True):
            learner.load_state_dict(saved)

    def _adam(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=self._rate, betas=BETAS, fused=True)

    def _real(self, frame: Frame) -> Pair:
        """The pairs of a batch, one or a few by their ids: each is prepared when it is first seen."""
        batch = len(frame.images)
        names = frame.ids or ("",) * batch
        for place, name in enumerate(names):
            if name not in self._seen:
                self._seen[name] = self._prepared(frame.part(slice(place, place + 1)))
        found = [self._seen[name] for name in names]
        if len(set(names)) == 1:  # a view: nothing is copied
            images = [level.expand(batch, -1, -1, -1) for level in found[0].images]
            return Pair(images, None if found[0].masks is None else found[0].masks.expand(batch, -1, -1, -1))
        masks = [pair.masks for pair in found if pair.masks is not None]
        levels = zip(*(pair.images for pair in found), strict=True)
        return Pair([torch.cat(level) for level in levels], torch.cat(masks) if masks else None)

    def _prepared(self, frame: Frame) -> Pair:
        """A single pair and its pyramid."""
        assert frame.masks is not None
        if frame.images.shape[-2:] != self.model.size:
            raise ValueError(f"a pair of {tuple(frame.images.shape[-2:])} pixels, the model is for {self.model.size}")
        images = [frame.images / 127.5 - 1]
        for _ in range(self.model.generator.levels - 1):
            images.append(F.interpolate(images[-1], scale_factor=0.5, mode="bilinear", align_corners=False))
        mask = self.model.generator.mask
        if mask is None:
            return Pair(images, None)
        index = frame.masks.long()
        one_hot = torch.zeros((1, mask.out_channels, *self.model.size), device=index.device)
        return Pair(images, one_hot.scatter_(1, index[:, None], 1.0))

    def _update(self, real: Pair, bernoulli: bool) -> dict[str, Tensor]:
        batch = len(real.images[0])
        made, metrics = self._generator_step(batch, bernoulli)
        if self._reuse:
            fake = Pair([image.detach() for image in made.images], None if made.masks is None else made.masks.detach())
        else:
            with torch.no_grad():
                made = self._made(batch)
            fake = Pair(made.images, made.masks)
        self._learners[1].zero_grad(set_to_none=True)
        given: tuple[tuple[Role, Pair], ...] = (("real", real), ("fake", fake))
        for role, pair in given:
            losses = self._judged(pair, role, bernoulli)
            losses["loss"].backward()  # type: ignore[no-untyped-call]
            metrics |= {f"{role}_{name}": value.detach() for name, value in losses.items()}
        self._learners[1].step()
        follow(self.model.average, self.model.generator, self._decay)
        return metrics

    def _generator_step(self, batch: int, bernoulli: bool) -> tuple[Made, dict[str, Tensor]]:
        for judge in self._judges:
            judge.requires_grad_(False)
        made = self._made(batch)
        losses = self._judged(Pair(made.images, made.masks), "generator", bernoulli)
        if self._diversity:
            losses["diversity"] = self._diversity * diversity_loss(made.features)
            losses["loss"] = losses["loss"] + losses["diversity"]
        self._learners[0].zero_grad(set_to_none=True)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        self._learners[0].step()
        for judge in self._judges:
            judge.requires_grad_(True)
        return made, {f"generator_{name}": value.detach() for name, value in losses.items()}

    def _made(self, batch: int) -> Made:
        latents = torch.randn(batch, self.model.generator.latent, device=self._device)
        with self._autocast():
            made: Made = self._generate(latents)
        return made

    def _judged(self, pair: Pair, role: Role, bernoulli: bool) -> dict[str, Tensor]:
        """Losses of an augmented pair."""
        images, masks = self._augment(pair.images, pair.masks, real=role == "real")
        with self._autocast():
            verdict = self._judge(images, masks, real=role == "real", bernoulli=bernoulli)
        losses = self._loss(verdict, masks if self.model.discriminator.objects else None, role)
        if self.model.patches is not None:
            assert masks is not None
            with self._autocast():
                logits = judged(self.model.patches(images[0].detach(), masks))
            losses["patches"] = patch_loss(logits, role)
            losses["loss"] = losses["loss"] + losses["patches"]
        return losses

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32)
