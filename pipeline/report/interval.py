"""Bootstrap: percentile intervals by drawing episodes again, with all their rows and all their seeds together.

Episodes that share their support are not independent: where scores name it, supports are drawn with all their episodes.
"""

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.report.tally import PART, Floats, Tally
from pipeline.seeds import generator

LEVEL = 0.95


@functools.lru_cache(maxsize=4)
def resamples(sizes: tuple[int, ...], count: int) -> Floats:
    """(count, sum of `sizes`): how often each unit is drawn in each resample, each part within itself.

    A function of its arguments alone, so that systems scored on the same units are resampled alike (paired).
    """
    return np.concatenate([_resamples(size, part, count) for part, size in enumerate(sizes)], axis=1)


def _resamples(units: int, part: int, count: int) -> Floats:
    draws = generator(0, "bootstrap", units, *([part] if part else []))  # no two parts of one length alike
    times = [np.bincount(draws.integers(0, max(units, 1), size=units), minlength=units) for _ in range(count)]
    return np.array(times, dtype=np.float64)


def resampled(tallies: Sequence[Tally], count: int, *, seeds: bool = False) -> Floats:
    """(count,) the mean over seeds (one tally a seed) in each of `count` resamples; with `seeds`, these are drawn too.

    `UserError` where the seeds were not scored on the same episodes.
    """
    sizes, units = _units(tallies)
    times = resamples(sizes, count)
    each = np.array([tally.finish(times[:, own] @ tally.sums) for tally, own in zip(tallies, units, strict=True)])
    if seeds and len(tallies) > 1:
        drawn = resamples((len(tallies),), count + 1)[1:]  # one ahead, lest seeds and as many episodes go together
        mixed: Floats = (drawn.T * each).sum(axis=0) / len(tallies)
        return mixed
    values: Floats = each.mean(axis=0)
    return values


def _units(tallies: Sequence[Tally]) -> tuple[tuple[int, ...], Sequence[slice | NDArray[np.intp]]]:
    """How many units are drawn of each part, and which one each episode of each seed is of.

    Runs on tasks of their own share their supports, though one may lack some of them.
    """
    named = [tally.supports for tally in tallies if tally.supports is not None]
    if not named:
        first = tallies[0]
        if any(not np.array_equal(tally.episodes, first.episodes) for tally in tallies):
            message = "the seeds of a system were scored on different episodes: run snakemake to score them again"
            raise UserError(message)
        return first.sizes, [slice(None)] * len(tallies)
    names, name = np.unique(np.concatenate(named), return_inverse=True)
    parts = np.concatenate([tally.episodes for tally in tallies]) // PART
    keys, unit = np.unique(parts * len(names) + name, return_inverse=True)
    ends = np.cumsum([len(tally.episodes) for tally in tallies])
    return tuple(np.bincount(keys // len(names)).tolist()), np.split(unit, ends[:-1])


def percentiles(values: Floats) -> tuple[float, float]:
    """The ends of the 95 % interval of resampled values."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def interval(tallies: Sequence[Tally], count: int, *, seeds: bool = False) -> tuple[float, float]:
    """The 95 % percentile interval of the mean over seeds, from `count` resamples; arguments as in `resampled`."""
    return percentiles(resampled(tallies, count, seeds=seeds))
