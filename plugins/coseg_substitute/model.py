"""A substitute for co-segmentation: a joint spectral cut of query and supports, the masks of which are not looked at.

OSLSM (arXiv 1709.03410, section 5) compares with the unsupervised co-segmentation by composition of Faktor and Irani
(ICCV 2013), whose statistics of regions are not rebuilt here; this is another method and must not be taken for theirs.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.layers.cell_features import SqueezeNetCells
from pipeline.layers.cell_segmenter import CellLooker
from pipeline.layers.cells import Upsampling
from pipeline.segmenter import Frame, Prediction, Supports
from plugins.coseg_substitute.spectral import border, cut


def build(
    *,
    side: int | None = 500,
    upsampling: Upsampling = "bilinear",
    weights: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> "CosegSubstitute":
    """Frozen features, fire9 of SqueezeNet 1.1 (512 numbers every 16 pixels: 30x30 cells of 500x500 pixels)."""
    return CosegSubstitute(SqueezeNetCells((weights or {}).get("trunk")), side=side, upsampling=upsampling)


class Images(NamedTuple):
    """What is known of the supports of one episode."""

    maps: list[Tensor]
    """K features (C, h, w)."""
    objects: int


class CosegSubstitute(CellLooker):
    """What all images share and their borders lack."""

    def adapt(self, supports: Supports) -> list[Images]:
        """Describe the supports of each of B episodes."""
        count = len(supports.frames[0].images)
        frames = [[frame.part(slice(b, b + 1)) for frame in supports.frames] for b in range(count)]
        return [Images([self.look(frame) for frame in one], supports.objects) for one in frames]

    def predict(self, state: list[Images], queries: Iterable[Frame]) -> Iterator[Prediction]:
        """Where the query lies in the part of the cut that borders lack; the same for every object."""
        for query in queries:
            maps = [self._segment(known, query.part(slice(b, b + 1))) for b, known in enumerate(state)]
            yield Prediction(probabilities=torch.stack(maps))

    def _segment(self, known: Images, frame: Frame) -> Tensor:
        own = self.look(frame)
        maps = [own, *known.maps]
        values = cut(torch.cat([m.flatten(1).T for m in maps]))
        edges = torch.cat([border(m.shape[1], m.shape[2], m.device) for m in maps])
        values = values * (1 if float(values[edges].mean()) <= 0 else -1)  # an object seldom touches the border
        cells = values[: own[0].numel()].view(1, *own.shape[1:])
        return self.spread(cells.to(own.dtype), frame).sigmoid().expand(known.objects, -1, -1)
