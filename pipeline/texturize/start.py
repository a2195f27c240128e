"""Where a synthesis starts: white noise, or a Gaussian field that has the source's covariance at small distances."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

GREY, CONTRAST = 0.5, 0.25
"""Mean and deviation of white noise; pixels go from 0 to 1."""


def white(random: Generator, side: int) -> NDArray[np.float32]:
    """(side, side, 3) Gaussian noise."""
    noise = random.standard_normal((side, side, 3), dtype=np.float32)
    return noise * np.float32(CONTRAST) + np.float32(GREY)


def spectral(random: Generator, source: NDArray[np.uint8], window: float) -> NDArray[np.float32]:
    """(side, side, 3) Gaussian field with the mean of `source`, and its covariance times a Gaussian of the distance.

    The deviation of that Gaussian is half of `window`, so that little of what is further apart than `window` px is
    left. A product of covariances is one, so that the windowed cross-spectrum C(f) = A(f) A(f)^H has a root A.
    """
    side, pixels = source.shape[0], source / 255
    mean = pixels.mean(axis=(0, 1))
    transformed = np.fft.fft2(pixels - mean, axes=(0, 1))
    distance = np.fft.fftfreq(side, 1 / side) / (window / 2)
    near = np.exp(-0.5 * (distance[:, None] ** 2 + distance[None] ** 2))
    root = np.zeros((side, side, 3, 3), np.complex128)
    for a in range(3):
        for b in range(a + 1):
            covariance = np.fft.ifft2(transformed[..., a] * transformed[..., b].conj()) / side**2
            root[..., a, b] = np.fft.fft2(covariance * near)
    lower = np.linalg.cholesky(root + 1e-9 * max(float(root[..., 0, 0].real.max()), 1e-9) * np.eye(3))
    noise = np.fft.fft2(random.standard_normal((side, side, 3)), axes=(0, 1))
    field = np.fft.ifft2(np.einsum("yxab,yxb->yxa", lower, noise), axes=(0, 1)).real
    found: NDArray[np.float32] = (mean + field).astype(np.float32)
    return found
