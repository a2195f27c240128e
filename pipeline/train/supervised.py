"""The commonest stage: one optimizer on one loss, with autocast, accumulation, a schedule and several GPUs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pipeline.segmenter import Batch
from pipeline.stage import Stage

Schedule = Callable[[float], float]


class Supervised(Stage):
    """Minimizes the first metric that `losses` returns.

    `losses` is a module that maps a `Batch` to named scalars, the loss first; its parameters that require gradients
    are trained. `schedule` maps the share of samples seen, in [0, 1), to a factor of the learning rate.
    """

    def __init__(
        self,
        losses: nn.Module,
        *,
        name: str,
        samples: int,
        batch: int,
        optimizer: Callable[[nn.Module], torch.optim.Optimizer],
        schedule: Schedule = lambda _: 1.0,
        accumulate: int = 1,
        channels_last: bool = True,
        data: tuple[str, ...] = (),
    ) -> None:
        """Train on `samples` episodes, `batch` an update, the gradient summed over `accumulate` parts of a batch."""
        self.name, self.samples, self.batch, self.data = name, samples, batch, data
        self._losses, self._make, self._schedule, self._accumulate = losses, optimizer, schedule, accumulate
        self._channels_last = channels_last

    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Lay out the weights, make the optimizer, compile and distribute."""
        if self._channels_last:
            self._losses.to(memory_format=torch.channels_last)
        self._device, self._dtype = device, dtype
        self._optimizer = self._make(self._losses)
        self._rates = [group["lr"] for group in self._optimizer.param_groups]
        self._scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
        run: Callable[[Batch], Mapping[str, Tensor]] = self._losses
        if dist.is_initialized():
            run = DistributedDataParallel(self._losses)
        self._run = torch.compile(run) if self.compile else run

    def step(self, batches: Sequence[Batch], done: int) -> Mapping[str, Tensor]:
        """One update a batch."""
        sums: dict[str, Tensor] = {}
        for number, batch in enumerate(batches):
            factor = self._schedule((done + number * self.batch) / self.samples)
            for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
                group["lr"] = rate * factor
            self._optimizer.zero_grad(set_to_none=True)
            for part in _parts(batch, self._accumulate):
                for name, value in self._backward(part).items():
                    sums[name] = sums.get(name, torch.zeros_like(value)) + value / (len(batches) * self._accumulate)
            self._scaler.step(self._optimizer)
            self._scaler.update()
        return sums

    def state(self) -> dict[str, Any]:
        """The optimizer's state and the loss scale."""
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up both."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])

    def _backward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32):
            metrics = self._run(batch)
        loss = next(iter(metrics.values()))
        self._scaler.scale(loss / self._accumulate).backward()  # type: ignore[no-untyped-call]
        return {name: value.detach() for name, value in metrics.items()}


def halved_at(epochs: int, *at: int) -> Schedule:
    """Halve the rate at the start of each epoch of `at` (0-based), where the whole training counts as `epochs`."""
    return lambda seen: 0.5 ** sum(int(seen * epochs + 1e-9) >= epoch for epoch in at)


def _parts(batch: Batch, count: int) -> Iterable[Batch]:
    if count == 1:
        return [batch]
    size = -(-len(batch.queries[0].images) // count)
    return [batch.part(slice(i * size, (i + 1) * size)) for i in range(count)]
