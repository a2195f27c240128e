"""Reference patches: square crops of a texture, shown to the model as the thing to find."""

import numpy as np
from numpy.typing import NDArray

from pipeline.render.counted import Stream, below
from pipeline.render.jit import compiled
from pipeline.render.memcpy import copy_bytes

Place = tuple[int, int]
"""Row and column of a crop's first pixel."""


@compiled
def copy_row(source: NDArray[np.uint8], first: int, target: NDArray[np.uint8], start: int, stop: int) -> None:
    """Bytes start .. stop - 1 of `target` are those of `source` from `first` on; both are contiguous."""
    copy_bytes(target, start, source, first, stop - start)


@compiled
def copy_spans(source: NDArray[np.uint8], target: NDArray[np.uint8], spans: NDArray[np.int64]) -> None:
    """Copy spans (R, 3), each its first byte in `source`, its first byte in `target` and its length in bytes.

    A loop of its own: where the next span is worked out between two copies, the processor looks too few of them ahead
    to hide the time that a texture takes to come from memory.
    """
    for r in range(len(spans)):
        copy_bytes(target, spans[r, 1], source, spans[r, 0], spans[r, 2])


@compiled
def crop(texture: NDArray[np.uint8], place: Place, picture: NDArray[np.uint8]) -> None:
    """Copy the crop at `place` of a `texture` (S, 3 S) into `picture` (p, 3 p)."""
    top, left = place
    height, width = picture.shape
    for row in range(height):
        copy_row(texture[top + row], 3 * left, picture[row], 0, width)


@compiled
def place_within(stream: Stream, side: int, patch: int) -> Place:
    """A uniformly random place of a crop of side `patch` within `side` pixels."""
    return below(stream, side - patch + 1), below(stream, side - patch + 1)


@compiled
def place_apart(stream: Stream, visible: NDArray[np.uint8], patch: int) -> Place:
    """A uniformly random place of a crop of side `patch` that shares no pixel with `visible` (S, S) of 0 and 1.

    Where there is none, the first of the places that share the fewest.
    """
    side = visible.shape[0]
    sums = np.zeros((side + 1, side + 1), np.int64)
    for row in range(side):
        along = 0
        for column in range(side):
            along += visible[row, column]
            sums[row + 1, column + 1] = sums[row, column + 1] + along
    span = side - patch + 1
    shared = sums[patch:, patch:] - sums[:span, patch:] - sums[patch:, :span] + sums[:span, :span]
    free = np.flatnonzero(shared.copy().reshape(-1) == 0)
    at = free[below(stream, len(free))] if len(free) > 0 else shared.copy().reshape(-1).argmin()
    return at // span, at % span
