"""A tally: what one metric needs of every episode, in sums, so that episodes can be drawn again."""

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
"""Column name -> one value a row."""

PART = 1 << 32
"""Episodes of part p, where several parts (folds) are scored together, are numbered from p * PART."""


@dataclass(frozen=True)
class Tally:
    """Sufficient sums of every episode for one metric."""

    episodes: NDArray[np.int64]
    """(n,) numbers of the episodes, ascending."""
    sums: Floats | NDArray[np.int64]
    """(n, s): whatever `finish` needs; sums over several episodes are sums of their rows. Pixels are int64."""
    finish: Callable[[NDArray[Any]], Floats]
    """(..., s) -> (...): the metric of summed rows."""
    supports: NDArray[np.str_] | None = None
    """(n,) names of their supports, where many episodes share one; those are drawn together."""

    @property
    def value(self) -> float:
        """The metric over all episodes."""
        return float(self.finish(self.sums.sum(axis=0)))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Episodes of each part."""
        return tuple(np.bincount(self.episodes // PART).tolist())

    def only(self, episodes: NDArray[np.int64]) -> "Tally":
        """The same of those of its episodes that are among `episodes`."""
        keep = np.isin(self.episodes, episodes)
        supports = None if self.supports is None else self.supports[keep]
        return Tally(self.episodes[keep], self.sums[keep], self.finish, supports)

    def single(self) -> dict[int, float]:
        """Episode -> its own value."""
        return dict(zip(self.episodes.tolist(), self.finish(self.sums).tolist(), strict=True))


NOTHING = Tally(np.empty(0, np.int64), np.empty((0, 1)), lambda total: total[..., 0])
"""Of no episode."""


def in_all(tallies: Iterable[Tally]) -> NDArray[np.int64]:
    """Numbers of the episodes that every one of the tallies has, ascending."""
    return functools.reduce(np.intersect1d, [tally.episodes for tally in tallies])


def difference(first: Tally, second: Tally) -> Tally:
    """The metric of `first` minus that of `second`, of the episodes of both, which are drawn together."""
    both = np.intersect1d(first.episodes, second.episodes)
    one, other = first.only(both), second.only(both)
    width = one.sums.shape[-1]
    sums = np.concatenate([one.sums, other.sums], axis=-1)
    return Tally(
        both, sums, lambda total: one.finish(total[..., :width]) - other.finish(total[..., width:]), one.supports
    )
