"""What OSLSM's simple baselines have in common: cells of supports with labels, and answers for the query's cells."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from pipeline.layers.cell_features import CellFeatures
from pipeline.layers.cells import Upsampling, warped
from pipeline.seeds import derive
from pipeline.segmenter import VOID, Frame, Prediction, Segmenter, Supports


class CellLooker(Segmenter):
    """Describes images by frozen cells, each image alone, so that what is remembered is what would be computed anew."""

    def __init__(self, features: CellFeatures, *, side: int | None, upsampling: Upsampling) -> None:
        """Images are warped to squares of `side` pixels; None takes them as they come."""
        super().__init__()
        self.features, self.side, self.upsampling = features, side, upsampling
        self.trunk = features.trunk

    def look(self, frame: Frame) -> Tensor:
        """Features (C, h, w) of the only image of `frame`, remembered."""
        height, width = frame.images.shape[-2:]
        return self.remember(f"cells at {height}x{width}", frame, lambda: self._describe(frame.images))

    def spread(self, answers: Tensor, frame: Frame) -> Tensor:
        """What was found out about the cells of the frame's only image, (O, h, w), as pixels (O, H, W)."""
        height, width = frame.images.shape[-2:]
        return self.features.grid.spread(answers, (height, width), self.seen(frame), self.upsampling)

    def seen(self, frame: Frame) -> tuple[int, int]:
        """The size in which the network sees the frame's images."""
        height, width = frame.images.shape[-2:]
        return (height, width) if self.side is None else (self.side, self.side)

    def _describe(self, images: Tensor) -> Tensor:
        maps: Tensor = self.features(warped(images, self.side))
        return maps[0].float().contiguous()


class CellSegmenter(CellLooker):
    """Learns from the cells of all supports of an episode, pooled; answers cell by cell."""

    def __init__(self, features: CellFeatures, *, side: int | None, upsampling: Upsampling, share: float = 1.0) -> None:
        """Of the cells of several supports a random `share` is kept; those of one are all kept."""
        super().__init__(features, side=side, upsampling=upsampling)
        self.share = share

    @abstractmethod
    def learn(self, cells: Tensor, labels: Tensor, objects: int) -> Any:
        """What is known of one episode from its supports' cells (n, C) with labels (n,) in 0..`objects`; n is not 0."""

    @abstractmethod
    def answer(self, known: Any, cells: Tensor) -> Tensor:
        """Of each object, for each of the query's cells (n, C): (objects, n), made into pixels before `finish`."""

    def finish(self, maps: Tensor) -> Tensor:
        """Answers (objects, H, W) as probabilities, an object where they are above 0.5."""
        return maps.clamp(0, 1)

    def adapt(self, supports: Supports) -> list[Any]:
        """What is known of each of B episodes.

        Void cells are left out; where all are void, one of background that is like no other stands for them.
        """
        return [self._pool(supports, slice(b, b + 1)) for b in range(len(supports.frames[0].images))]

    def predict(self, state: list[Any], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Answers for the query's cells, spread over its pixels."""
        for query in queries:
            maps = [self._segment(known, query.part(slice(b, b + 1))) for b, known in enumerate(state)]
            yield Prediction(probabilities=torch.stack(maps))

    def labels(self, frame: Frame, cells: tuple[int, int]) -> Tensor:
        """Values of the frame's only mask at the centres of `cells` = (h, w): (h, w) uint8."""
        assert frame.masks is not None
        return self.features.grid.labels(frame.masks[0], cells, self.seen(frame))

    def _pool(self, supports: Supports, one: slice) -> Any:
        cells, labels = [], []
        for frame in (frame.part(one) for frame in supports.frames):
            maps = self.look(frame)
            cells.append(maps.flatten(1).T)
            labels.append(self.labels(frame, (maps.shape[1], maps.shape[2])).flatten())
        pooled, named = torch.cat(cells), torch.cat(labels)
        counted = named != VOID
        if not bool(counted.any()):
            return self.learn(torch.zeros_like(pooled[:1]), torch.zeros_like(named[:1]), supports.objects)
        pooled, named = pooled[counted], named[counted]
        if self.share < 1 and len(supports.frames) > 1:
            kept = _drawn(len(named), self.share, [name for frame in supports.frames for name in frame.ids[one]])
            pooled, named = pooled[kept.to(pooled.device)], named[kept.to(named.device)]
        return self.learn(pooled, named, supports.objects)

    def _segment(self, known: Any, frame: Frame) -> Tensor:
        maps = self.look(frame)
        return self.finish(self.spread(self.answer(known, maps.flatten(1).T).view(-1, *maps.shape[1:]), frame))


def _drawn(count: int, share: float, names: list[str]) -> Tensor:
    """Which of `count` cells are kept: one or more, always the same ones for the same images."""
    generator = torch.Generator().manual_seed(derive(0, "episodes", *names))
    return torch.randperm(count, generator=generator)[: max(round(count * share), 1)]
