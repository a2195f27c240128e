"""Segmenters that take episodes one at a time."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from pipeline.segmenter import Frame, Prediction, Segmenter, Supports

Known = TypeVar("Known")


class OneByOne(Segmenter, Generic[Known]):
    """Looks at each image alone, so that what is remembered of it does not depend on its neighbours."""

    @abstractmethod
    def learn(self, supports: Sequence[Frame], objects: int) -> Known:
        """What is known of one episode from its supports, frames of batch 1."""

    @abstractmethod
    def answer(self, known: Known, query: Frame) -> Tensor:
        """Probabilities (1, O, H, W) of the objects of one episode in a query of batch 1."""

    def adapt(self, supports: Supports) -> list[Known]:
        """What is known of each of B episodes."""
        episodes = [slice(b, b + 1) for b in range(len(supports.frames[0].images))]
        return [self.learn([frame.part(b) for frame in supports.frames], supports.objects) for b in episodes]

    def predict(self, state: list[Known], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Probabilities (B, O, H, W) of each query."""
        for query in queries:
            found = [self.answer(known, query.part(slice(b, b + 1))) for b, known in enumerate(state)]
            yield Prediction(probabilities=torch.cat(found))


def showing(supports: Sequence[Frame], number: int) -> list[tuple[Frame, Tensor]]:
    """The frames that show object `number`, each with its mask (B, H, W) bool."""
    found = [(frame, frame.masks == number) for frame in supports if frame.masks is not None]
    return [(frame, mask) for frame, mask in found if bool(mask.any())]
