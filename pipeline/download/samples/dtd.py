"""A sample of oriented textures in DTD's layout, which colour alone cannot tell apart.

`images/<category>/<category>_NNNN.png`. Every texture mixes two oriented band-pass noises into colours in the same way,
and every channel of every texture has the same histogram: what differs is directions and wavelengths, 4 to 14 px.
PNG instead of DTD's JPEG, so that the bytes are the same on every machine.
"""

import math
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from pipeline.job import Facts, parse
from pipeline.seeds import generator

WAVELENGTHS = (4.0, 5.5, 7.5, 10.0, 14.0)
"""Pixels; the textures of a category take turns."""
MEAN, DEVIATION = 128, 40
"""Of every channel of every texture."""
_REACH, _UNIT = 24, 4096
"""Half width of a filter in pixels, and its steps: all that decides about a pixel is counted in whole numbers."""

Whole = NDArray[np.int64]


class Parameters(Facts):
    """How much to generate."""

    categories: Annotated[int, Field(ge=1, le=18)] = 8
    """Directions of the stronger noise, spread over 180 degrees."""
    textures: Annotated[int, Field(ge=1, le=99)] = 5
    """Textures of a category."""
    side: Annotated[int, Field(ge=2 * _REACH + 1, le=640)] = 96
    """Pixels."""


def generate(target: Path, parameters: dict[str, Any], seed: int) -> None:
    """Write the sample below `target`: the same pictures for the same parameters and seed, byte for byte."""
    wanted = parse(Parameters, parameters, "sample of dtd")
    for category in range(wanted.categories):
        degrees = 180 * category // wanted.categories
        name = f"grain_{degrees:03d}"
        folder = target / "images" / name
        folder.mkdir(parents=True)
        for number in range(wanted.textures):
            random = generator(seed, "glyphs", "dtd", category, number)
            wavelength = WAVELENGTHS[number % len(WAVELENGTHS)]
            # Stored without compression: zlib and its fast relatives differ in what they compress to.
            picture = Image.fromarray(texture(random, degrees, wavelength, wanted.side))
            picture.save(folder / f"{name}_{number + 1:04d}.png", compress_level=0)


def texture(random: Generator, degrees: int, wavelength: float, side: int) -> NDArray[np.uint8]:
    """(side, side, 3): brightness from the stronger noise, colour from the weaker one, which has its own direction."""
    angle = math.radians(degrees + int(random.integers(-8, 9)))
    other = angle + math.radians(int(random.integers(30, 151)))
    strong = _noise(random, angle, wavelength, side)
    weak = _noise(random, other, WAVELENGTHS[int(random.integers(len(WAVELENGTHS)))], side)
    return np.stack([_levels(strong * 2 + sign * weak) for sign in (1, -1, 0)], axis=-1)


def _noise(random: Generator, angle: float, wavelength: float, side: int) -> Whole:
    """(side, side) oriented band-pass noise, periodic, with normal ranks in steps of 1/_UNIT."""
    filtered = _periodic(random.integers(-128, 129, size=(side, side)), _gabor(angle, wavelength))
    normal = NormalDist(sigma=_UNIT)
    return _ranked(filtered, _quantiles(normal, side * side))


def _gabor(angle: float, wavelength: float) -> Whole:
    """An oriented wave under a round Gaussian one wavelength wide, in whole numbers that sum to about nothing."""
    y, x = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]
    wave = np.cos(2 * math.pi * (x * math.cos(angle) + y * math.sin(angle)) / wavelength)
    envelope = np.exp(-(x**2 + y**2) / (2 * min(wavelength, _REACH / 2.5) ** 2))
    kernel: Whole = np.rint(_UNIT * wave * envelope).astype(np.int64)
    return kernel


def _periodic(noise: Whole, kernel: Whole) -> Whole:
    """Periodic convolution of whole numbers; they are far below 2^53, so that rounding makes the transform exact."""
    padded = np.zeros_like(noise)
    padded[: kernel.shape[0], : kernel.shape[1]] = kernel
    return np.rint(np.fft.irfft2(np.fft.rfft2(noise) * np.fft.rfft2(padded), s=noise.shape)).astype(np.int64)


def _levels(field: Whole) -> NDArray[np.uint8]:
    return _ranked(field, _quantiles(NormalDist(MEAN, DEVIATION), field.size)).clip(0, 255).astype(np.uint8)


def _ranked(field: Whole, values: Whole) -> Whole:
    """The field with its values replaced, rank by rank; equal ones keep their order."""
    found = np.empty_like(values)
    found[np.argsort(field, axis=None, kind="stable")] = values
    return found.reshape(field.shape)


@cache
def _quantiles(law: NormalDist, count: int) -> Whole:
    """`count` evenly spread quantiles, in whole numbers."""
    return np.array([round(law.inv_cdf((i + 0.5) / count)) for i in range(count)], dtype=np.int64)
