"""Texturized characters on plain paths: a pixel at a time, and as the chain of pictures that released code makes."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def mask(values: Bytes, box: NDArray[np.int64], threshold: int, way: NDArray[np.int64], side: int) -> NDArray[np.bool_]:
    """Where a map (h, w) of a drawing, its left and top at `box`, is below the threshold: every pixel of the scene."""
    y, x = np.mgrid[:side, :side]
    gx = way[0] * x + way[1] * y + way[2] - (box[0] << 16)
    gy = way[3] * x + way[4] * y + way[5] - (box[1] << 16)
    column, row, fx, fy = gx >> 16, gy >> 16, (gx >> 8) & 255, (gy >> 8) & 255
    inside = (column >= 0) & (row >= 0) & (column < values.shape[1] - 1) & (row < values.shape[0] - 1)
    column, row = np.where(inside, column, 0), np.where(inside, row, 0)
    corners = values.astype(np.int64)
    upper = corners[row, column] * (256 - fx) + corners[row, column + 1] * fx
    lower = corners[row + 1, column] * (256 - fx) + corners[row + 1, column + 1] * fx
    return inside & (upper * (256 - fy) + lower * fy < threshold)


def released_chain(glyph: Floats, degrees: float, factors: tuple[float, float], shift: tuple[float, float]) -> Floats:
    """Turn, scale, resize back to 256 and shift: four bilinear passes over whole pictures, ink wherever any is left.

    `factors` and `shift` are of rows and columns; `shift` in pixels of the scene.
    """
    picture = np.pad(glyph, ((75, 76), (75, 76)))
    picture = ndimage.rotate(picture, degrees, reshape=False, order=1)
    picture = _resize(picture, (round(256 * factors[0]), round(256 * factors[1])))
    high, wide = picture.shape
    most = max(high, wide)
    above, before = (most - high) // 2, (most - wide) // 2
    picture = np.pad(picture, ((above, most - high - above), (before, most - wide - before)))
    picture = _resize(picture, (256, 256))
    return (ndimage.shift(picture, shift, order=1) > 0).astype(np.float64)


def paper_chain(glyph: Floats, way: NDArray[np.int64], side: int) -> NDArray[np.bool_]:
    """One bilinear pass of floating point along `way` (xx, xy, x0, yx, yy, y0), threshold 0.5."""
    xx, xy, x0, yx, yy, y0 = way / 65536
    turned = ndimage.affine_transform(
        glyph, np.array([[yy, yx], [xy, xx]]), (y0, x0), (side, side), order=1, mode="constant"
    )
    return turned > 0.5


def scene(characters: list[Floats], textures: list[Floats], shape: tuple[int, int]) -> Floats:
    """Each character filled with its own texture (S, S, 3), later ones over earlier ones."""
    image = np.zeros((*shape, 3))
    for character, texture in zip(characters, textures, strict=True):
        image = image * (1 - character[..., None]) + character[..., None] * texture
    return image


def _resize(picture: Floats, shape: tuple[int, int]) -> Floats:
    # Bilinear without blurring first; centres of pixels lie at halves.
    scale = np.array(picture.shape) / shape
    return ndimage.affine_transform(picture, scale, 0.5 * scale - 0.5, shape, order=1, mode="nearest")
