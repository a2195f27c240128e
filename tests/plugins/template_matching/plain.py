"""Template matching written plainly, pixel by pixel: the slow reference path."""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def versions(ink: Picture, steps: tuple[int, int, int], side: int) -> list[Picture]:
    """All versions on a square of `side` pixels; `steps` of scale (either), rotation and shear, at their full ranges."""
    scales = [2.0**e for e in np.linspace(-1, 1, steps[0])]
    rotations, shears = np.linspace(-20, 20, steps[1]), np.linspace(-10, 10, steps[2])
    return [warp(ink, *values, side) for values in itertools.product(scales, scales, rotations, shears)]


def warp(ink: Picture, a: float, b: float, phi: float, theta: float, side: int) -> Picture:
    """One version, its centre of mass at pixel (side // 2, side // 2); 16.16 fixed point in Python's integers."""
    phi, theta = math.radians(phi), math.radians(theta)
    forward = [
        [a * math.cos(phi + theta), b * math.sin(phi - theta)],
        [-a * math.sin(phi + theta), b * math.cos(phi - theta)],
    ]
    inverse = [[fixed(value) for value in row] for row in np.linalg.inv(forward)]
    rows, columns = np.nonzero(ink)
    x0, y0 = fixed(columns.mean() + 0.5), fixed(rows.mean() + 0.5)
    picture = np.zeros((side, side), np.uint8)
    for j, i in itertools.product(range(side), repeat=2):
        right, down = i - side // 2, j - side // 2
        x = (inverse[0][0] * right + inverse[0][1] * down + x0) >> 16
        y = (inverse[1][0] * right + inverse[1][1] * down + y0) >> 16
        if 0 <= x < ink.shape[1] and 0 <= y < ink.shape[0]:
            picture[j, i] = ink[y, x]
    return picture


def fixed(value: float) -> int:
    """Rounded to 16.16."""
    return math.floor(value * 65536 + 0.5)


def best_correlation(version: Picture, candidate: Picture, window: int) -> float:
    """Pearson's r of two squares, the largest over shifts of the version."""
    side = len(version)
    found = [-math.inf]
    for down, right in itertools.product(range(-window, window + 1), repeat=2):
        shifted = np.zeros((side + 2 * window, side + 2 * window))
        shifted[window + down :, window + right :][:side, :side] = version
        lying = np.pad(candidate, window)
        # What a shift pushes over the edge still counts as ink of the version, on a square of the same size.
        overlap = (shifted * lying).sum()
        first, second = int(version.sum()), int(candidate.sum())
        spread = first * (side**2 - first) * second * (side**2 - second)
        if spread > 0:
            found.append((side**2 * overlap - first * second) / math.sqrt(spread))
    return max(found)
