"""Random numbers inside compiled code: every episode has a stream of its own, which its place in the seed tree starts.

The generator is SplitMix64 (Steele, Lea, Flood 2014): one 64-bit counter, so that starting a stream costs nothing.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.render.jit import compiled
from pipeline.seeds import derive

Stream = NDArray[np.uint64]
"""(1,): the counter; every draw moves it on."""


def episode_keys(seed: int, dataset: str, split: str, first: int, count: int) -> NDArray[np.uint64]:
    """Where the streams of the episodes `first`, `first` + 1, ... start, (count,)."""
    return np.array([derive(seed, "episodes", dataset, split, first + i) for i in range(count)], np.uint64)


@compiled
def next_bits(stream: Stream) -> np.uint64:
    """The next 64 bits."""
    stream[0] += np.uint64(0x9E3779B97F4A7C15)
    bits: np.uint64 = stream[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = bits ^ (bits >> np.uint64(31))
    return bits


@compiled
def below(stream: Stream, count: int) -> int:
    """A uniform integer of 0 .. count - 1, without bias; `count` is at most 2^32."""
    # Lemire 2019: the high half of a product, but for the few low halves that would favour some values.
    wide = np.uint64(count)
    biased = np.uint64(2**32) % wide
    product = (next_bits(stream) >> np.uint64(32)) * wide
    while (product & np.uint64(0xFFFFFFFF)) < biased:
        product = (next_bits(stream) >> np.uint64(32)) * wide
    return int(product >> np.uint64(32))


@compiled
def uniform(stream: Stream, low: float, high: float) -> float:
    """A uniform real of [low, high), of 53 bits."""
    return low + (high - low) * (np.float64(next_bits(stream) >> np.uint64(11)) * 2.0**-53)


@compiled
def draw_distinct(stream: Stream, count: int, chosen: NDArray[np.int64]) -> None:
    """Fill `chosen` with different uniform integers of 0 .. count - 1; it is no longer than `count`."""
    for k in range(len(chosen)):
        fresh = False
        while not fresh:
            chosen[k] = below(stream, count)
            fresh = True
            for j in range(k):
                fresh &= chosen[j] != chosen[k]
