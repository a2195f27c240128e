"""Which size a pair is fitted at, and the grid that the generator starts from."""

from typing import Literal, NamedTuple

from pipeline.layers.one_shot.resolution import configure

START = Literal["pair", "square"]
SQUARE = 4
"""Cells of the smallest map along both sides, for `square`."""


class Canvas(NamedTuple):
    """`start` doubled `doublings` times is what the networks see; pairs are given and sampled at `size`."""

    size: tuple[int, int]
    start: tuple[int, int]
    doublings: int

    @property
    def resolution(self) -> tuple[int, int]:
        """(height, width) of the networks' images."""
        return self.start[0] << self.doublings, self.start[1] << self.doublings


def canvas(
    height: int,
    width: int,
    *,
    start: START,
    max_size: int,
    frame: tuple[int, int] | None = None,
    clamp: bool = False,
) -> Canvas:
    """The canvas of a pair of `height` x `width` pixels; `max_size`, `frame` and `clamp` as `configure` takes them.

    `pair`: the size and the grid that OSMIS would take: 3x5, doubled seven times, for 384x640. `square`: 4x4, doubled
    to the largest power of two up to `max_size`, which is all that the published code can do; frames are resized
    between that and the size of `pair`.
    """
    found = configure(height, width, max_size=max_size, frame=frame, clamp=clamp, low_level=1)
    if start == "pair":
        return Canvas(found.size, found.grid, found.blocks - 1)
    return Canvas(found.size, (SQUARE, SQUARE), max(0, max_size.bit_length() - SQUARE.bit_length()))
