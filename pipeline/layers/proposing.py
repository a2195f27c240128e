"""Segmenting by proposals: decode from every cell of the scene, keep the proposal that is judged best."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.layers.proposals import Proposals, Scenes, every_cell, foreground
from pipeline.layers.targets import Targets, show_targets
from pipeline.segmenter import Frame, Prediction, Segmenter, Supports

TARGET, SCENE = 32, 96
"""Side of the target picture and of the scene, in pixels."""


class ProposalSegmenter(Segmenter):
    """A segmenter that says of each proposal how good it is."""

    def __init__(self, proposals: Proposals) -> None:
        """Judge `proposals`, some at a time: what is kept is the best one so far."""
        super().__init__()
        self.proposals = proposals

    @abstractmethod
    def judge(self, maps: Tensor, target: Tensor, pictures: Tensor, query: Frame, number: int) -> Tensor:
        """Quality (B, P) >= 0 of proposals (B, P, 96, 96) for object `number`, embedded as `target` (B, C).

        `pictures` (B, 3, 96, 96) in [0, 1] are the query's images at the size of proposals.
        """

    def embed(self, targets: Tensor) -> Tensor:
        """Target pictures (B, 3, 32, 32) in [0, 1] -> embeddings (B, 16 f)."""
        return self.proposals.target.embed(targets)

    def adapt(self, supports: Supports) -> Targets:
        """Cut the objects out of the supports and embed them."""
        return show_targets(supports, TARGET, self.embed)

    def predict(self, state: Targets, queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Probabilities and quality of each object's best proposal over all supports that show it; else 0."""
        for query in queries:
            size = query.images.shape[-2:]
            pictures = (query.images.float() / 255).contiguous(memory_format=torch.channels_last)
            if size != (SCENE, SCENE):
                pictures = F.interpolate(pictures, (SCENE, SCENE), mode="bilinear", antialias=True)
            scenes = self.proposals.look(pictures)
            answers = [self._best(state, o, scenes, pictures, query) for o in range(state.shown.shape[2])]
            maps, scores = (torch.stack(parts, 1) for parts in zip(*answers, strict=True))
            if size != (SCENE, SCENE):
                maps = F.interpolate(maps, size, mode="bilinear")
            yield Prediction(probabilities=maps, scores=scores)

    def _best(
        self, state: Targets, number: int, scenes: Scenes, pictures: Tensor, query: Frame
    ) -> tuple[Tensor, Tensor]:
        """Probabilities (B, 96, 96) and quality (B,) of the best proposal."""
        best = pictures.new_zeros(len(pictures), SCENE, SCENE)
        highest = pictures.new_full((len(pictures),), -1)
        for embeddings, shown in zip(state.embeddings, state.shown[:, :, number], strict=True):
            for cells in every_cell(scenes):
                maps = foreground(self.proposals(embeddings[number], scenes, cells))
                quality, which = self.judge(maps, embeddings[number], pictures, query, number + 1).max(1)
                better = shown & (quality > highest)
                chosen = maps[torch.arange(len(maps), device=maps.device), which]
                best = torch.where(better[:, None, None], chosen, best)
                highest = torch.where(better, quality, highest)
        return best, highest.clamp(min=0)
