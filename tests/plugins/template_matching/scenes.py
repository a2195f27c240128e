"""Scenes to search, made by the project's own renderer from drawings of any origin."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.episodes import unpack_masks
from pipeline.render.cluttered_omniglot import SPLITS, ClutteredOmniglot
from pipeline.render.glyphs import pack
from pipeline.render.scene import Clutter
from pipeline.segmenter import Frame, Supports
from tests.render.conftest import scribble

SPLIT = SPLITS["test_one_shot"]


@dataclass(frozen=True)
class Scenes:
    """B episodes of cluttered Omniglot with what an oracle may see."""

    supports: Supports
    query: Frame
    truth: Tensor
    """(B, 96, 96) bool."""

    def part(self, rows: slice) -> "Scenes":
        """Some of the episodes."""
        frames = tuple(Frame(f.images[rows], None if f.masks is None else f.masks[rows]) for f in self.supports.frames)
        query = Frame(self.query.images[rows], oracle={k: v[rows] for k, v in self.query.oracle.items()})
        return Scenes(Supports(frames, 1), query, self.truth[rows])


def scribbles(count: int) -> NDArray[np.uint8]:
    """Drawings (count / 10, 10, 105, 105) of a few strokes."""
    random = np.random.default_rng(0)
    drawn = np.stack([~np.asarray(scribble(random)) for _ in range(count)])
    return drawn.astype(np.uint8).reshape(-1, 10, 105, 105)


def scenes(drawings: NDArray[np.uint8], characters: int, count: int) -> Scenes:
    """The first `count` scenes of `characters` characters each."""
    bits, clutter = pack(drawings), Clutter(characters, 0, 0.0)
    seen = ClutteredOmniglot(bits, split=SPLIT, clutter=clutter, instances=False).shard(0, count)
    known = ClutteredOmniglot(bits, split=SPLIT, clutter=clutter, instances=True).shard(0, count)

    def image(name: str) -> Tensor:
        return torch.from_numpy(seen[name][:, 0]).movedim(-1, 1)

    support_masks = torch.from_numpy(unpack_masks(seen["support_masks"][:, 0], 32, 32))
    instances = torch.from_numpy(known["instances"][:, 0].astype(np.int64))
    return Scenes(
        Supports((Frame(image("support_images"), support_masks),), 1),
        Frame(image("query_images"), oracle={"instances": instances}),
        torch.from_numpy(unpack_masks(seen["query_masks"][:, 0], 96, 96)) > 0,
    )
