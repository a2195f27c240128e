"""Which size a pair is fitted at, and the grid that the generator starts from."""

from typing import Literal, NamedTuple

START = Literal["pair", "square"]
FEWEST, MOST = 3, 7
"""Cells of the smallest map along either side, for `pair`."""
SQUARE = 4
"""Of both sides, for `square`."""


class Canvas(NamedTuple):
    """`start` doubled `doublings` times is what the networks see; pairs are given and sampled at `size`."""

    size: tuple[int, int]
    start: tuple[int, int]
    doublings: int

    @property
    def resolution(self) -> tuple[int, int]:
        """(height, width) of the networks' images."""
        return self.start[0] << self.doublings, self.start[1] << self.doublings


def canvas(height: int, width: int, *, start: START, limit: int) -> Canvas:
    """The canvas of a pair of `height` x `width` pixels whose longer side becomes `limit` at most.

    `pair`: a start of its own shape, 3 to 7 cells a side where there is such a one, as OSMIS chooses its noise grid.
    `square`: 4x4, doubled to the largest power of two up to `limit`, as the published code has it; frames are
    resized between it and the size of `pair`.
    """
    height, width = _shrunk(height, width, limit)
    doublings = _doublings(height, width)
    cell = 1 << doublings
    grid = max(1, round(height / cell)), max(1, round(width / cell))
    fitted = Canvas((grid[0] * cell, grid[1] * cell), grid, doublings)
    if start == "pair":
        return fitted
    return Canvas(fitted.size, (SQUARE, SQUARE), max(0, limit.bit_length() - 3))


def _shrunk(height: int, width: int, limit: int) -> tuple[int, int]:
    """First the width, then the height is held to the limit, each time truncating."""
    if width > limit:
        height, width = int(height * limit / width), limit
    if height > limit:
        height, width = limit, int(width * limit / height)
    return height, width


def _doublings(height: int, width: int) -> int:
    """The first of 4 to 8 by which both sides have had 3 to 7 cells; else the one that comes nearest."""
    fits = [[FEWEST <= side / (1 << n) <= MOST for n in range(4, 9)] for side in (height, width)]
    for number in range(5):
        if all(any(side[: number + 1]) for side in fits):
            return number + 4
    return min(
        range(4, 9), key=lambda n: sum(max(FEWEST - s / (1 << n), s / (1 << n) - MOST, 0) for s in (height, width))
    )
