"""How different the synthesized images are from each other, and from the training image, by LPIPS: one row.

The released script passes images in [0, 1] to a network that expects [-1, 1], and the published numbers are most
probably made so: `lpips01` and `train01` do the same, `lpips` and `train` take the right range.
"""

from typing import Any

from pipeline.measures.lpips import best_of, distances, lpips_net
from pipeline.measures.nets import Nets
from pipeline.measures.pair import Pair


def network(nets: Nets, **_: Any) -> str:
    """On which network LPIPS stands; `alexnet` is the published one."""
    return best_of(nets)


def measure(pair: Pair, nets: Nets, *, batch: int = 8) -> dict[str, list[float]]:
    """Columns `lpips01` and `lpips` (mean over all pairs), `train01` and `train` (mean distance to the training image).

    `batch` images at a time. NaN for the mean over pairs where there is one image alone.
    """
    device = pair.fakes[0].device
    net = lpips_net(nets).to(device)
    fakes, real = (part.float() / 255 for part in (pair.fakes[0], pair.fitted()[0]))
    columns: dict[str, list[float]] = {}
    for suffix, scale, shift in (("01", 1, 0), ("", 2, -1)):
        found = distances(net, fakes * scale + shift, real * scale + shift, batch=batch)
        columns[f"lpips{suffix}"] = [found.diversity]
        columns[f"train{suffix}"] = [float(found.train.mean())]
    return columns
