"""Instance maps: what separated objects a scene shows, for oracles."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.segmenter import Frame

_MOST_COLOURS = 256
"""A frame with more colours is no pile of uniformly coloured characters: the heaviest clutter has 256 of them."""


@dataclass(frozen=True)
class Parts:
    """The visible parts of the objects of B scenes, M in all, scene by scene."""

    rows: Tensor
    """(M,) int64: the scene of each."""
    names: Tensor
    """(M,) int64: its value in the instance map, rising within a scene."""
    centres: Tensor
    """(M, 2) float64: x and y of its centre of mass."""


def visible_parts(instances: Tensor) -> Parts:
    """All that is visible in instance maps (B, H, W) int64, where 0 is background."""
    rows, y, x = instances.nonzero(as_tuple=True)
    span = instances.max() + 1
    keys, owner, visible = torch.unique(rows * span + instances[rows, y, x], return_inverse=True, return_counts=True)
    # Whole numbers up to here: the sums do not depend on the order in which a device adds.
    places = torch.stack([x, y], 1)
    total = torch.zeros(len(keys), 2, dtype=torch.int64, device=places.device).index_add_(0, owner, places)
    return Parts(keys // span, keys % span, total.double() / visible[:, None])


def instances_of(query: Frame) -> Tensor:
    """Instance maps (B, H, W) int64 of a query: the oracle's, else what its colours tell apart."""
    if "instances" in query.oracle:
        return query.oracle["instances"].long()
    return torch.stack([colour_instances(image) for image in query.images])


def colour_instances(image: Tensor) -> Tensor:
    """An instance map (H, W) int64 of an image (3, H, W) uint8: one instance a colour, the commonest is background.

    Distinct characters have distinct colours (specification, section 2.3). A frame of more than 256 of them is one
    instance: all that is not background.
    """
    red, green, blue = image.long().unbind(0)
    packed = red << 16 | green << 8 | blue
    _, colour, counts = torch.unique(packed, return_inverse=True, return_counts=True)
    background: Tensor = colour == counts.argmax()
    if len(counts) > _MOST_COLOURS + 1:
        return background.logical_not().long()
    instances: Tensor = (colour + 1).masked_fill(background, 0)
    return instances
