"""Sizes of the pyramids: SinGAN's geometric one, and ConSinGAN's, which has more scales near the coarsest."""

import math

from pipeline.errors import UserError

SMALLEST = 11
"""Pixels that the five unpadded 3x3 convolutions of a critic need to look at once."""

Sizes = tuple[tuple[int, int], ...]
"""(height, width) of every scale, the coarsest first."""


def geometric(height: int, width: int, *, least: int, most: int, factor: float = 0.75) -> Sizes:
    """SinGAN's scales (Shaham et al., ICCV 2019): the shorter side begins at `least`, the longer ends at `most`.

    How many there are follows from `factor`, which is then solved anew so that the coarsest comes out exactly.
    """
    _check(least, most)
    short, long = min(height, width), max(height, width)
    full = min(most / long, 1.0)
    steps = math.ceil(math.log(least / short, factor)) + 1 - math.ceil(math.log(full, factor))
    if steps < 1 or short * full <= least:
        return (_scaled(height, width, full),)
    solved = ratio(height, width, least=least, most=most, steps=steps)
    return tuple(_scaled(height, width, full * solved ** (steps - k)) for k in range(steps + 1))


def logarithmic(height: int, width: int, *, least: int, most: int, stages: int) -> Sizes:
    """ConSinGAN's scales (Hinz et al., WACV 2021): scale i of S + 1 is f^((S - 1) / ln S * ln(S - i) + 1), the last 1.

    Images whose shorter side is no longer than `least` stay as they are at every stage.
    """
    _check(least, most)
    full, steps = min(most / max(height, width), 1.0), stages - 1
    solved = min(1.0, ratio(height, width, least=least, most=most, steps=max(steps, 1)))
    stretch = (steps - 1) / math.log(steps) if steps > 1 else 0.0
    powers = [stretch * math.log(steps - i) + 1 for i in range(steps)]
    return tuple(_scaled(height, width, full * solved**power) for power in [*powers, 0])


def ratio(height: int, width: int, *, least: int, most: int, steps: int) -> float:
    """The factor that takes the shorter side of the finest scale to `least` in so many steps."""
    full = min(most / max(height, width), 1.0)
    return float((least / (min(height, width) * full)) ** (1 / steps))


def _scaled(height: int, width: int, scale: float) -> tuple[int, int]:
    return max(SMALLEST, round(height * scale)), max(SMALLEST, round(width * scale))


def _check(least: int, most: int) -> None:
    if least < SMALLEST or most < least:
        raise UserError(f"min_size {least}, max_size {most}: take {SMALLEST} <= min_size <= max_size")
