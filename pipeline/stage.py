"""A stage of training: it owns its steps; the loop owns order, seeds, checkpoints, logs, device and the end."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pipeline.segmenter import Batch


class Stage(ABC):
    """One stage of training: its own losses, backward passes and optimizers."""

    name: str
    samples: int
    """Episodes it sees in all, over all devices; the remainder of the last batch is dropped."""
    batch: int
    """Episodes of one update, over all devices."""
    data: tuple[str, ...] = ()
    """Which of the system's train splits it reads (`clutter-n4/train`); empty means all of them."""

    compile: bool = False
    """Whether the user asks for compilation; set before `setup`."""

    @abstractmethod
    def setup(self, device: torch.device, dtype: torch.dtype) -> None:
        """Called once, when the stage begins or resumes: may add parameters, freeze parts, make optimizers.

        The model lies on `device` already; what setup adds, it puts there. `dtype` is autocast's: float32 means none.
        """

    @abstractmethod
    def step(self, batches: "Sequence[Batch]", done: int) -> Mapping[str, Tensor]:
        """Run one update a batch, without waiting for the device in between where possible.

        `done` is the number of episodes this stage has seen before the first of `batches`. Returns metrics by name,
        each a scalar tensor averaged over the updates. The global torch generator is seeded from (seed, stage, done)
        before each call, so that drawing from it is reproducible.
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that resuming needs beside the segmenter's own state dict: optimizers, averages, counters."""

    @abstractmethod
    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave, after `setup`."""
