"""RePRI as a segmenter: supports and query become tasks, which are refined side by side (arXiv 2012.06166)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.embedders import Embedder
from pipeline.layers.repri.cells import inside, labelled
from pipeline.layers.repri.refine import Recipe, Tasks, cosines, refine
from pipeline.layers.repri.supports import Both, added, extended
from pipeline.segmenter import Frame, Prediction, Segmenter, Supports

TOGETHER = 8
"""Made frames that are embedded at the same time."""


class Cells(NamedTuple):
    """All cells of one episode's supports."""

    features: Tensor
    """(C, M) float32, of unit length."""
    truth: Tensor
    """(O, M) float32: 1 where a cell is the object."""
    counted: Tensor
    """(O, M) float32: 0 where a cell is void or padding."""


class Learned(NamedTuple):
    """What an episode's tasks begin with."""

    cells: list[Cells]
    """One an episode."""
    shots: int
    """What divergence and entropy are divided by."""


class Repri(Segmenter):
    """Refines a classifier of the embedder's features for every object of every query."""

    def __init__(
        self, embedder: Embedder, *, recipe: Recipe, copies: int = 85, both: Both = "warped", lambda_by_k: bool = False
    ) -> None:
        """`copies` of a support under standard augmentation; `both` as in `supports.extended`.

        Divergence and entropy are divided by the number of true shots, or by that of all supports with `lambda_by_k`.
        """
        super().__init__()
        self.embedder, self.recipe = embedder, recipe
        self.copies, self.both, self.lambda_by_k = copies, both, lambda_by_k
        self.trunk = embedder.trunk

    def adapt(self, supports: Supports) -> Learned:
        """The cells of each episode's supports; learning waits for the query."""
        episodes = range(len(supports.frames[0].images))
        cells = [self._cells(_alone(supports, b)) for b in episodes]
        shots = max(len(supports.frames) // supports.ways, 1)
        if self.lambda_by_k:
            shots += added(supports, copies=self.copies, both=self.both)
        return Learned(cells, shots)

    def predict(self, state: Learned, queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Sigmoids of logits that are enlarged from the cells; 0 for an object that no support shows."""
        for query in queries:
            rows = [self._features(query.part(slice(b, b + 1))) for b in range(len(state.cells))]
            yield Prediction(probabilities=self._probabilities(state, query, torch.cat(rows)))

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take up published weights, and from where those of the trunk came."""
        super().load_weights(weights)
        self.trunk = self.embedder.trunk

    def _probabilities(self, state: Learned, query: Frame, features: Tensor) -> Tensor:
        """(B, O, H, W) of queries with features (B, C, h, w) of unit length."""
        count, _, height, width = features.shape
        objects = len(state.cells[0].truth)
        asked = features.flatten(2)
        seen = inside(query.images, (height, width))
        counted = torch.stack([cells.counted for cells in state.cells])
        tasks = Tasks(
            torch.cat([torch.stack([cells.features for cells in state.cells]), asked], 2).repeat_interleave(objects, 0),
            torch.cat([cells.truth for cells in state.cells]),
            torch.cat([counted, seen[:, None].expand(-1, objects, -1)], 2).flatten(0, 1),
            features.new_full((count * objects,), 1 / state.shots),
        )
        found = refine(tasks, self.recipe)
        logits = self.recipe.temperature * cosines(asked.repeat_interleave(objects, 0), found.weight)
        maps = (logits - found.bias[:, None]).view(count, objects, height, width)
        size = (query.images.shape[-2], query.images.shape[-1])
        shown = (tasks.truth.sum(1) > 0).view(count, objects, 1, 1)
        return F.interpolate(maps, size, mode="bilinear", align_corners=True).sigmoid() * shown

    def _cells(self, supports: Supports) -> Cells:
        """Of the supports of one episode; remembered as a whole where frames are made for it."""
        if not supports.extra and not supports.standard:
            return _joined(
                [self._features(frame) for frame in supports.frames], list(supports.frames), supports.objects
            )
        frames = [*supports.frames, *supports.extra]
        names = ",".join(name for frame in frames for name in frame.ids)
        what = f"supports {names} of {supports.objects}, standard {supports.standard}, seed {supports.seed}"
        return self.remember(what, supports.frames[0], lambda: self._made(supports), masks=True)

    def _made(self, supports: Supports) -> Cells:
        frames = extended(supports, copies=self.copies, both=self.both)
        given = len(supports.frames)
        features = [self._features(frame) for frame in frames[:given]]
        for first in range(given, len(frames), TOGETHER):
            part = [frame.images for frame in frames[first : first + TOGETHER]]
            if len({images.shape for images in part}) == 1:
                features += torch.split(self._embedded(torch.cat(part)), 1)
            else:
                features += [self._embedded(images) for images in part]
        return _joined(features, frames, supports.objects)

    def _features(self, frame: Frame) -> Tensor:
        return self.remember("features", frame, lambda: self._embedded(frame.images))

    def _embedded(self, images: Tensor) -> Tensor:
        return F.normalize(self.embedder(images).float(), dim=1)


def _alone(supports: Supports, b: int) -> Supports:
    """The supports of episode `b`."""
    part = slice(b, b + 1)
    return replace(supports, frames=tuple(frame.part(part) for frame in supports.frames))


def _joined(features: list[Tensor], frames: list[Frame], objects: int) -> Cells:
    """Features (1, C, h, w) of frames with masks, one after the other."""
    truths, counts = [], []
    for maps, frame in zip(features, frames, strict=True):
        assert frame.masks is not None
        size = (maps.shape[-2], maps.shape[-1])
        each = [labelled(frame.masks, number, size) for number in range(1, objects + 1)]
        truths.append(torch.cat([truth for truth, _ in each]))
        counts.append(torch.cat([counted for _, counted in each]))
    flat = [maps[0].flatten(1) for maps in features]
    return Cells(torch.cat(flat, 1), torch.cat(truths, 1), torch.cat(counts, 1))
