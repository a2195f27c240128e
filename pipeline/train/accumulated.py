"""The commonest stage, where one update takes several batches: images of different sizes cannot go side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.segmenter import Batch
from pipeline.train.supervised import Supervised


class Accumulated(Supervised):
    """`accumulate` batches an update, their gradients averaged; what is left over at the end is lost."""

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """One gradient a batch, and an update with every `accumulate`-th of them, counted from the stage's start."""
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches, start=done // self.batch + 1):
            for name, value in self._backward(batch).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value / len(batches)
            if number % self._accumulate == 0:
                factor = self._schedule((number - 1) * self.batch / self.samples)
                for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                    group["lr"] = rate * factor
                self._scaler.step(self._optimizer)
                self._scaler.update()
                self._optimizer.zero_grad(set_to_none=True)
        return sums

    def state(self) -> dict[str, Any]:
        """The optimizer's state, the loss scale, and the gradients that wait for their update."""
        waiting = {name: p.grad for name, p in self._losses.named_parameters() if p.grad is not None}
        return {**super().state(), "waiting": waiting}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up all three."""
        super().load(state)
        for name, parameter in self._losses.named_parameters():
            parameter.grad = state["waiting"].get(name)
