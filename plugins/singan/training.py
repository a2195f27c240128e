"""Training of one scale of SinGAN: only its own network and critic learn (section 2.2)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.single_image.critic import critic_step
from pipeline.layers.single_image.rivals import Rivals
from pipeline.layers.single_image.synthesizer import draw
from pipeline.segmenter import Batch
from pipeline.stage import Stage

if TYPE_CHECKING:
    from plugins.singan.model import SinGan

PENALTY, RECONSTRUCTION, NOISE = 0.1, 10.0, 0.1
ROUNDS = 3
"""Updates of the critic, then of the generator, in one outer step."""


class Scale(Stage):
    """`samples` outer steps on scale `number`; in float32 whatever is asked for: the penalty differentiates twice."""

    batch = 1

    def __init__(self, model: "SinGan", number: int, *, samples: int, learning_rate: float) -> None:
        """The scale is added in `setup`, except for the coarsest, which is always there."""
        self.name, self.samples = f"scale{number}", samples
        self._model, self._number, self._learning_rate = model, number, learning_rate

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Add the scale and renew the critic where it widens."""
        if self._number:
            self._model.grow()
            self._model.to(device)
        scale = self._model.generator.scales[self._number]
        self._rivals = Rivals([{"params": scale.parameters()}], self._model.critic, learning_rate=self._learning_rate)

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """One outer step a batch; the error of reconstruction is that of pixels in [-1, 1]."""
        generator = self._model.generator
        generator.eval()
        generator.scales[self._number].train()
        real = self._model.level(batches[0].queries[0].images, self._number)
        fixed = self._model.fixed()
        with torch.no_grad():
            base = generator.before(fixed[:-1])
            if self._number and not done:
                generator.amplitudes[self._number] = NOISE * F.mse_loss(base, real).sqrt()
        found = []
        for number in range(len(batches)):
            self._rivals.follow(done + number, self.samples)
            found.append(torch.stack(self._outer(real, fixed[-1], base)))
        means = torch.stack(found).mean(0)
        return dict(zip(("reconstruction", "generator", "critic"), means, strict=True))

    def state(self) -> dict[str, Any]:
        """Both optimizers."""
        return self._rivals.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up both."""
        self._rivals.load(state)

    def _outer(self, real: Tensor, fixed: Tensor, base: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The scale's own noise is drawn once, what it is fed for every update of the critic."""
        generator, critic, shapes = self._model.generator, self._model.critic, self._model.generator.shapes()
        (noise,) = draw(shapes[-1:], real.device)
        for _ in range(ROUNDS):
            with torch.no_grad():
                before = generator.before(draw(shapes[:-1], real.device))
                fake = generator.refine(self._number, noise, before)
            loss = critic_step(critic, self._rivals.critic, real, fake, penalty=PENALTY)
        for _ in range(ROUNDS):
            adversarial = -critic(generator.refine(self._number, noise, before)).mean()
            error = F.mse_loss(generator.refine(self._number, fixed, base), real)
            self._rivals.generator.zero_grad(set_to_none=True)
            (adversarial + RECONSTRUCTION * error).backward(inputs=self._rivals.parameters)
            self._rivals.generator.step()
        return error.detach(), adversarial.detach(), loss
