"""Training of one stage of ConSinGAN: the last three stages learn together, the older the slower (section 3)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.layers.single_image.critic import critic_step
from pipeline.layers.single_image.rivals import Rivals
from pipeline.layers.single_image.synthesizer import draw
from pipeline.segmenter import Batch
from pipeline.stage import Stage

if TYPE_CHECKING:
    from plugins.con_singan.model import ConSinGan

PENALTY, RECONSTRUCTION, NOISE = 0.1, 10.0, 0.1
ROUNDS = 3
"""Updates of the critic, then of the generator, in one outer step."""


class Growth(Stage):
    """`samples` outer steps with stage `number` on top; in float32 whatever is asked for, as SinGAN's."""

    batch = 1

    def __init__(
        self, model: "ConSinGan", number: int, *, samples: int, learning_rate: float, together: int, slower: float
    ) -> None:
        """The top `together` stages learn, each `slower` times as fast as the one above it."""
        self.name, self.samples = f"stage{number}", samples
        self._model, self._number, self._learning_rate = model, number, learning_rate
        self._together, self._slower = together, slower

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Add the stage, with the fixed noise that it is to reconstruct from; freeze what no longer learns."""
        if self._number:
            self._model.grow()
            self._model.to(device)
        self._rivals = Rivals(self._groups(), self._model.critic, learning_rate=self._learning_rate)

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """One outer step a batch; the error of reconstruction is that of pixels in [-1, 1]."""
        images = batches[0].queries[0].images
        real = self._model.level(images, self._number)
        if not done:
            self._begin(images, real)
        found = []
        for number in range(len(batches)):
            self._rivals.follow(done + number, self.samples)
            found.append(torch.stack(self._outer(real)))
        means = torch.stack(found).mean(0)
        return dict(zip(("reconstruction", "generator", "critic"), means, strict=True))

    def state(self) -> dict[str, Any]:
        """Both optimizers."""
        return self._rivals.state()

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up both."""
        self._rivals.load(state)

    def _groups(self) -> list[dict[str, Any]]:
        """The generator's parameters with their rates; the head learns as long as the first stage does."""
        generator, rate = self._model.generator, self._learning_rate
        generator.requires_grad_(False)
        parts: list[tuple[nn.Module, int]] = [(generator.tail, 0)]
        if self._number < self._together:
            parts.append((generator.head, self._number))
        parts += [(stage, below) for below, stage in enumerate(reversed(generator.body)) if below < self._together]
        return [{"params": part.requires_grad_().parameters(), "lr": rate * self._slower**k} for part, k in parts]

    def _begin(self, images: Tensor, real: Tensor) -> None:
        """The head reconstructs from the coarsest image itself; later noise is as strong as the error so far."""
        generator = self._model.generator
        if not self._number:
            self._model.fixed()[0].copy_(self._model.level(images, 0))
            return
        with torch.no_grad():
            generator.amplitudes[self._number] = 0
            generator.amplitudes[self._number] = NOISE * F.mse_loss(generator(self._model.fixed()), real).sqrt()

    def _outer(self, real: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Noise is drawn once; the generator's optimizer steps thrice along one gradient."""
        generator, critic, rivals = self._model.generator, self._model.critic, self._rivals
        fake = generator(draw(generator.shapes(), real.device))
        for _ in range(ROUNDS):
            loss = critic_step(critic, rivals.critic, real, fake.detach(), penalty=PENALTY)
        adversarial = -critic(fake).mean()
        error = F.mse_loss(generator(self._model.fixed()), real)
        rivals.generator.zero_grad(set_to_none=True)
        (adversarial + RECONSTRUCTION * error).backward(inputs=rivals.parameters)
        for _ in range(ROUNDS):
            rivals.generator.step()
        return error.detach(), adversarial.detach(), loss
