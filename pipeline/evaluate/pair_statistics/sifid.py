"""SIFID of every synthesized image, through four layers: a row each."""

from typing import Any

from pipeline.measures.features import best_of, feature_net
from pipeline.measures.nets import Nets
from pipeline.measures.pair import Pair
from pipeline.measures.sifid import sifid_of


def network(nets: Nets, **_: Any) -> str:
    """Through which network images are compared; `inception_v3` is the published one."""
    return best_of(nets)


def measure(pair: Pair, nets: Nets, *, batch: int = 4) -> dict[str, list[float]]:
    """Columns `sifid1` (published) to `sifid4`, shallow to deep; `batch` images at a time."""
    name = best_of(nets)
    net = feature_net(nets.get(name), name).to(pair.fakes[0].device)
    found = sifid_of(pair.fakes[0], pair.fitted()[0], net, batch=batch)
    return {f"sifid{number}": column.tolist() for number, column in enumerate(found.T, start=1)}
