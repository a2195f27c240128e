"""A generator and a discriminator with an optimizer each; the second stage adds a layer, as SinGAN's scales do."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.segmenter import Batch, Synthesizer
from pipeline.stage import Stage

SIZE = 16


def build(*, height: int, width: int, objects: int, samples: int = 60, batch: int = 4) -> "Gan":
    """Two stages; the second grows the generator. Of all objects it makes one."""
    model = Gan()
    model.stages = (Adversarial(model, "coarse", samples, batch), Adversarial(model, "fine", samples, batch, grow=True))
    return model


class Gan(Synthesizer):
    size = (SIZE, SIZE)

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1)])
        self.discriminator = nn.Conv2d(4, 1, 3, padding=1)

    def make(self, noise: Tensor) -> Tensor:
        """Noise (B, 4, h, w) -> image and mask channels (B, 4, h, w) in [0, 1]."""
        for layer in self.generator:
            noise = noise + layer(torch.tanh(noise))
        return torch.sigmoid(noise)

    def sample(self, count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        device = self.discriminator.weight.device
        for _ in range(count):
            made = self.make(torch.randn(1, 4, SIZE, SIZE, generator=generator).to(device))[0]
            yield (made[:3] * 255).to(torch.uint8), (made[3] > 0.5).to(torch.uint8)

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        while f"generator.{len(self.generator)}.weight" in weights:
            self.generator.append(nn.Conv2d(4, 4, 3, padding=1))
        super().load_weights(weights)


class Adversarial(Stage):
    def __init__(self, model: Gan, name: str, samples: int, batch: int, grow: bool = False) -> None:
        self.model, self.name, self.samples, self.batch, self.grow = model, name, samples, batch, grow

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        if self.grow:
            self.model.generator.append(nn.Conv2d(4, 4, 3, padding=1).to(device))
        self.optimizers = [
            torch.optim.Adam(self.model.generator[-1].parameters(), lr=1e-3),
            torch.optim.Adam(self.model.discriminator.parameters(), lr=1e-3),
        ]

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        for batch in batches:
            query = batch.queries[0]
            assert query.masks is not None
            real = torch.cat([query.images / 255, (query.masks[:, None] > 0).float()], 1)
            fake = self.model.make(torch.randn_like(real))
            self.optimizers[1].zero_grad()
            critic = self.model.discriminator
            d = F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()
            d.backward()
            self.optimizers[1].step()
            self.optimizers[0].zero_grad()
            g = F.softplus(-critic(fake)).mean()
            g.backward()
            self.optimizers[0].step()
        return {"generator": g.detach(), "discriminator": d.detach()}

    def state(self) -> dict[str, Any]:
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load(self, state: Mapping[str, Any]) -> None:
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
