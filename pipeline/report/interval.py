"""Bootstrap: percentile intervals by drawing episodes again, with all their rows and all their seeds together."""

import functools
from collections.abc import Sequence

import numpy as np

from pipeline.errors import UserError
from pipeline.report.tally import Floats, Tally
from pipeline.seeds import generator

LEVEL = 0.95


@functools.lru_cache(maxsize=4)
def resamples(sizes: tuple[int, ...], count: int) -> Floats:
    """(count, sum of `sizes`): how often each episode is drawn in each resample, each part within itself.

    A function of its arguments alone, so that systems scored on the same episodes are resampled alike (paired).
    """
    return np.concatenate([_resamples(size, part, count) for part, size in enumerate(sizes)], axis=1)


def _resamples(episodes: int, part: int, count: int) -> Floats:
    draws = generator(0, "bootstrap", episodes, *([part] if part else []))  # no two parts of one length alike
    times = [np.bincount(draws.integers(0, max(episodes, 1), size=episodes), minlength=episodes) for _ in range(count)]
    return np.array(times, dtype=np.float64)


def resampled(tallies: Sequence[Tally], count: int, *, seeds: bool = False) -> Floats:
    """(count,) the mean over seeds (one tally a seed) in each of `count` resamples; with `seeds`, these are drawn too.

    `UserError` where the seeds were not scored on the same episodes.
    """
    first = tallies[0]
    if any(not np.array_equal(tally.episodes, first.episodes) for tally in tallies):
        raise UserError("the seeds of a system were scored on different episodes: run snakemake to score them again")
    times = resamples(first.sizes, count)
    each = np.array([tally.finish(times @ tally.sums) for tally in tallies])
    if seeds and len(tallies) > 1:
        drawn = resamples((len(tallies),), count + 1)[1:]  # one ahead, lest seeds and as many episodes go together
        mixed: Floats = (drawn.T * each).sum(axis=0) / len(tallies)
        return mixed
    values: Floats = each.mean(axis=0)
    return values


def percentiles(values: Floats) -> tuple[float, float]:
    """The ends of the 95 % interval of resampled values."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def interval(tallies: Sequence[Tally], count: int, *, seeds: bool = False) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over seeds, from `count` resamples; arguments as in `resampled`."""
    return percentiles(resampled(tallies, count, seeds=seeds))
