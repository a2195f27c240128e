"""At which size a GAN of one image is trained, and how deep its two networks are.

As OSMIS' released configuration does it: the noise grid is 3 to 7 places a side, the map that the discriminator's
layout branch sees about 32x32.
"""

import math
from dataclasses import dataclass, replace

from pipeline.errors import UserError

BLOCKS = range(5, 10)
SIDE = range(3, 8)
JUDGED = {5: (6, 2), 6: (7, 3), 7: (7, 3), 8: (7, 4), 9: (8, 4)}
"""Blocks of the generator -> blocks of the discriminator in all, low-level ones among them."""


@dataclass(frozen=True)
class Configuration:
    """Size and depth of both networks."""

    grid: tuple[int, int]
    """Height and width of the generator's first map."""
    blocks: int
    """Blocks of the generator; all but the first double its map."""
    judging: int
    """Blocks of the discriminator on the way of an image: low-level ones, then those of the layout branch."""
    low_level: int
    """How many of those come before the branches part."""
    notes: tuple[str, ...] = ()
    """What could not be had as the rule asks, a sentence each."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images."""
        factor: int = 2 ** (self.blocks - 1)
        return self.grid[0] * factor, self.grid[1] * factor


def configure(
    height: int,
    width: int,
    *,
    max_size: int = 640,
    frame: tuple[int, int] | None = None,
    clamp: bool = False,
    low_level: int | None = None,
) -> Configuration:
    """The configuration of an image of height x width pixels.

    Neither side exceeds about `max_size`; or else the images are warped to `frame` (height, width) exactly, which
    must be a size that the rule arrives at (`UserError`). The released rule makes grids of 1 or 2 places from elongated
    images, 2x5 from DAVIS' one video of 1152x480; `clamp` makes them 3, for 384x640 as the paper has. `low_level`
    replaces the rule's number of low-level blocks.
    """
    if frame is None:
        found = _rule(*_limited(height, width, max_size))
        if clamp and min(found.grid) < SIDE[0]:
            found = replace(found, grid=(max(SIDE[0], found.grid[0]), max(SIDE[0], found.grid[1])))
            found = replace(found, notes=(f"elongated, {height}x{width} pixels: warped to {_times(found.size)}",))
    else:
        found = _rule(*frame)
        if found.size != tuple(frame):
            wrong = f"frame {_times(frame)} is no size these networks can make"
            raise UserError(f"{wrong}: take {_times(found.size)}, or null for one that suits the pair")
    return _judged(found, low_level)


def _limited(height: int, width: int, most: int) -> tuple[int, int]:
    """The size at which neither side exceeds `most`, the width limited first, whole pixels cut at the end."""
    tall, wide = float(height), float(width)
    if wide > most:
        tall, wide = tall * most / wide, float(most)
    if tall > most:
        tall, wide = float(most), wide * most / tall
    return int(tall), int(wide)


def _rule(height: int, width: int) -> Configuration:
    """The fewest blocks at which each side has, or had with fewer, a noise grid of 3 to 7."""
    tall = wide = False
    for blocks in BLOCKS:
        factor = 2 ** (blocks - 1)
        tall |= SIDE[0] <= height / factor <= SIDE[-1]
        wide |= SIDE[0] <= width / factor <= SIDE[-1]
        if tall and wide:
            grid = round(height / factor), round(width / factor)
            if min(grid) < 1:
                break
            return Configuration(grid, blocks, *JUDGED[blocks])
    return _nearest(height, width)


def _nearest(height: int, width: int) -> Configuration:
    """The size of a grid of 3 to 7 a side that is nearest, by the ratios of the sides."""

    def clamped(blocks: int) -> Configuration:
        sides = (min(max(round(side / 2 ** (blocks - 1)), SIDE[0]), SIDE[-1]) for side in (height, width))
        return Configuration((next(sides), next(sides)), blocks, *JUDGED[blocks])

    def distance(found: Configuration) -> float:
        return sum(abs(math.log(a / b)) for a, b in zip(found.size, (height, width), strict=True))

    found = min(map(clamped, BLOCKS), key=distance)
    note = f"no configuration fits {height}x{width} pixels, the nearest is taken: {_times(found.size)}"
    return replace(found, notes=(note,))


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _judged(found: Configuration, low_level: int | None) -> Configuration:
    """Hold the discriminator's depth to what the image's shorter side can be halved, a block a branch at least."""
    notes = list(found.notes)
    judging = min(found.judging, int(math.log2(min(found.size))))
    if judging < found.judging:
        notes.append(f"{judging} blocks of the discriminator instead of {found.judging}: the image is too small")
    asked = found.low_level if low_level is None else low_level
    if asked < 1:
        raise UserError(f"low_level is {asked}: the discriminator needs one low-level block at least")
    kept = min(asked, judging - 1)
    if kept < asked:
        notes.append(f"{kept} low-level blocks instead of {asked}: the discriminator has {judging} in all")
    return replace(found, judging=judging, low_level=kept, notes=tuple(notes))
