"""Template matching on separated characters: the reference point of Michaelis, Bethge, Ecker (2018), section 5.

Untrained. The target's ink is warped by every affine map of a grid, each version is correlated with each visible
character of the scene, and the character of the best match is the answer, drawn with the oracle's own mask.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.layers.instances import instances_of
from pipeline.segmenter import Frame, Prediction, Segmenter, Supports
from plugins.template_matching.candidates import Candidates, separate, shrink
from plugins.template_matching.correlation import Normalise
from plugins.template_matching.grid import Grid
from plugins.template_matching.search import Search
from plugins.template_matching.templates import Target, make_target

NOTHING = -1.0
"""The score of an object that no support shows, or in a query without candidates: the least a correlation can be."""


@dataclass(frozen=True)
class Example:
    """One support's view of one object."""

    target: Target
    scale: float
    """By how much the support was shrunk; the query is shrunk alike."""


State = list[list[list[Example]]]
"""Episode -> object -> its examples, none where every support shows background alone."""


class TemplateMatching(Segmenter):
    """Looks for each object's supports among the candidates of a query; of several supports, the best match counts."""

    trunk = "none"

    def __init__(self, *, search: Search, exhaustive: bool, target_side: int) -> None:
        """Compare by `search`, over the whole grid if `exhaustive`, supports of at most `target_side` pixels a side."""
        super().__init__()
        self.search = search
        self.find = search.full if exhaustive else search.coarse_to_fine
        self.target_side = target_side

    def adapt(self, supports: Supports) -> State:
        """The ink of each object in each support."""
        episodes = range(len(supports.frames[0].images))
        return [[self._examples(supports, b, o + 1) for o in range(supports.objects)] for b in episodes]

    def predict(self, state: State, queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Mask (0 or 1), centre of mass and correlation of the chosen candidate of each object."""
        for query in queries:
            yield self._predict(state, query)

    def _examples(self, supports: Supports, episode: int, value: int) -> list[Example]:
        found = []
        for frame in supports.frames:
            if frame.masks is None:
                raise ValueError("a support has no mask")
            mask = frame.masks[episode] == value
            scale = min(1.0, self.target_side / max(mask.shape))
            target = make_target(shrink(mask, scale))
            if target is not None:
                found.append(Example(target, scale))
        return found

    def _predict(self, state: State, query: Frame) -> Prediction:
        size, device = query.images.shape[-2:], query.images.device
        shape = (len(state), len(state[0]))
        masks = torch.zeros(*shape, *size, device=device)
        centres = torch.full((*shape, 2), torch.nan, device=device)
        scores = torch.full(shape, NOTHING, device=device)
        for b, (objects, instances) in enumerate(zip(state, instances_of(query), strict=True)):
            candidates: dict[float, Candidates] = {}
            for o, examples in enumerate(objects):
                for example in examples:
                    if example.scale not in candidates:
                        candidates[example.scale] = separate(shrink(instances, example.scale), self.search.side)
                    score, name = self._choose(example.target, candidates[example.scale])
                    if name is not None and (score > scores[b, o] or not masks[b, o].any()):
                        chosen = instances == name
                        masks[b, o], scores[b, o] = chosen, score
                        centres[b, o] = chosen.nonzero().double().mean(0).flip(0)
        return Prediction(probabilities=masks, centres=centres, scores=scores)

    def _choose(self, target: Target, candidates: Candidates) -> tuple[float, Tensor | None]:
        match = self.find(target, candidates)
        if len(match.scores) == 0:
            return NOTHING, None
        return float(match.scores[0]), candidates.names[match.owners[0]]


def build(
    *,
    search: Literal["full", "coarse_to_fine"] = "coarse_to_fine",
    starts: int = 32,
    window: int | None = 4,
    side: int = 96,
    target_side: int = 32,
    normalise: Normalise = "both",
    rotations: int = 11,
    shears: int = 7,
    scales: int = 11,
    rotation: float = 20.0,
    shear: float = 10.0,
    octaves: float = 1.0,
) -> TemplateMatching:
    """Versions: `rotations` x `shears` x `scales` x `scales`, each axis evenly spaced between its extremes.

    Rotation and shear reach +-`rotation` and +-`shear` degrees, either scale 2^(+-`octaves`). Shifts reach `window`
    pixels around aligned centres of mass (None: all shifts) on a square of `side` pixels. `starts` pairs are refined in
    coarse to fine.
    """
    for name, steps in (("rotations", rotations), ("shears", shears), ("scales", scales)):
        if steps < 1 or steps % 2 == 0:
            raise UserError(f"template_matching: {name}={steps}: take an odd number, so that one step changes nothing")
    for name, value, least in (("starts", starts, 1), ("side", side, 1), ("target_side", target_side, 1)):
        if value < least:
            raise UserError(f"template_matching: {name}={value}: take {least} or more")
    if search not in ("full", "coarse_to_fine"):
        raise UserError(f"template_matching: search={search}: take full or coarse_to_fine")
    if normalise not in ("both", "template"):
        raise UserError(f"template_matching: normalise={normalise}: take both or template")
    grid = Grid(rotations=rotations, shears=shears, scales=scales, rotation=rotation, shear=shear, octaves=octaves)
    return TemplateMatching(
        search=Search(grid=grid, window=window, side=side, starts=starts, normalise=normalise),
        exhaustive=search == "full",
        target_side=target_side,
    )
