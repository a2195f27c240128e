"""Handwritten strokes in whole numbers: control points, smooth curves and ink, the same on every machine.

Coordinates are (x, y), y down, in units of 1/64 px, so that no rounding of floats decides about a pixel.
"""

import numpy as np
from numpy.typing import NDArray

UNIT = 64
"""Steps of a pixel."""

Points = NDArray[np.int64]
"""(N, 2) coordinates."""

_STEPS = 24
"""Points of a curve between two control points; about 1 px apart, which the pen covers."""


def smooth(controls: Points) -> Points:
    """A uniform cubic B-spline near `controls` (at least 2), through the first and the last of them.

    End points count three times, which makes the spline begin and end on them.
    """
    padded = np.concatenate([controls[:1], controls[:1], controls, controls[-1:], controls[-1:]])
    t = np.arange(_STEPS, dtype=np.int64)
    n = _STEPS
    weights = np.stack([(n - t) ** 3, 3 * t**3 - 6 * n * t**2 + 4 * n**3, 0 * t, t**3], axis=1)
    weights[:, 2] = 6 * n**3 - weights.sum(axis=1)
    windows = np.stack([padded[i : len(padded) - 3 + i] for i in range(4)], axis=1)
    return np.concatenate([(weights @ window) // (6 * n**3) for window in windows])


def ink(strokes: list[Points], size: int, diameter: int) -> NDArray[np.bool_]:
    """(size, size) picture of curves drawn with a round pen `diameter` wide (1/64 px); what leaves it is cut off."""
    reach = diameter // (2 * UNIT) + 1
    offsets = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
    points = np.concatenate(strokes)
    pixels = (points // UNIT)[:, None, :] + offsets[None, :, :]
    gaps = pixels * UNIT + UNIT // 2 - points[:, None, :]
    touched = pixels[(4 * (gaps**2).sum(axis=2) <= diameter**2) & ((pixels >= 0) & (pixels < size)).all(axis=2)]
    picture = np.zeros((size, size), dtype=np.bool_)
    picture[touched[:, 1], touched[:, 0]] = True
    return picture
