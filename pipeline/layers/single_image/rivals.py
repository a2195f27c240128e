"""The two optimizers of a scale: Adam for the generator, Adam for its critic, decayed together."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

DECAY_AT, DECAY = 0.8, 0.1


class Rivals:
    """Rates fall to a tenth at 80 % of a scale's steps: 1,600 of the published 2,000."""

    def __init__(self, groups: Iterable[Mapping[str, Any]], critic: nn.Module, *, learning_rate: float) -> None:
        """`groups` are the generator's parameters with their `lr`; the critic's rate is `learning_rate`."""
        adam = partial(torch.optim.Adam, lr=learning_rate, betas=(0.5, 0.999), fused=True)
        self.generator = adam([dict(group) for group in groups])
        self.critic = adam(critic.parameters())
        self._rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self._both]

    @property
    def parameters(self) -> list[Tensor]:
        """All that the generator's optimizer trains."""
        return [parameter for group in self.generator.param_groups for parameter in group["params"]]

    def follow(self, done: int, samples: int) -> None:
        """Set the rates of the step after `done` of `samples`."""
        factor = DECAY if done >= DECAY_AT * samples else 1.0
        for optimizer, rates in zip(self._both, self._rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor

    def state(self) -> dict[str, Any]:
        """Of both optimizers."""
        return {"generator": self.generator.state_dict(), "critic": self.critic.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])

    @property
    def _both(self) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        return self.generator, self.critic
