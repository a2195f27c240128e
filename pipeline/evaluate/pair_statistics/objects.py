"""Whether the synthesized masks still show the objects: a row a sample.

The paper has no such number, yet the masks of a synthesizer that trains badly are background alone, and a pair without
its object teaches a segmenter to find nothing.
"""

from typing import Any

import torch
from torch import Tensor

from pipeline.measures.nets import Nets
from pipeline.measures.pair import Pair


def network(nets: Nets, **_: Any) -> str:
    """None is needed."""
    return "none"


def measure(pair: Pair, nets: Nets) -> dict[str, list[float]]:
    """Columns `kept` (share of the given objects that a sample shows), `area` (their pixels over the given).

    Objects too small to be seen at the samples' size are not asked for; NaN where none is left. `ValueError` where the
    synthesizer makes no masks.
    """
    if not pair.masks:
        raise ValueError("masks")
    given = _pixels(pair.fitted()[1][None], pair.objects)[0]
    made = _pixels(pair.fakes[1], pair.objects)[:, given > 0]
    return {"kept": (made > 0).double().mean(1).tolist(), "area": (made.sum(1) / given.sum()).tolist()}


def _pixels(masks: Tensor, objects: int) -> Tensor:
    """Masks (n, h, w) -> (n, objects), float64: pixels of each object."""
    return torch.stack([(masks == number).sum((1, 2)) for number in range(1, objects + 1)], 1).double()
