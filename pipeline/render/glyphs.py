"""Drawings packed for the compiled renderer: 2 KB each, so that a whole training pool stays in the cache."""

import numpy as np
from numpy.typing import NDArray

from pipeline.render.transform import BORDER, PACKED_BYTES, PACKED_ROWS, SIDE


def pack(glyphs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Drawings (C, D, 105, 105) of 0 and 1 -> (C, D, 128, 16) bits, least significant first, in a blank border."""
    shape = glyphs.shape[:-2]
    padded = np.zeros((PACKED_ROWS, PACKED_BYTES * 8), np.uint8)
    bank = np.empty((*shape, PACKED_ROWS, PACKED_BYTES), np.uint8)
    for index in np.ndindex(*shape):
        padded[BORDER : BORDER + SIDE, BORDER : BORDER + SIDE] = glyphs[index]
        bank[index] = np.packbits(padded, axis=-1, bitorder="little")
    return bank


def unpack(bank: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of `pack`."""
    inner = slice(BORDER, BORDER + SIDE)
    return np.unpackbits(bank, axis=-1, bitorder="little")[..., inner, inner]


def ink_boxes(bank: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Left, top, right and bottom (exclusive) of each packed drawing's ink, in pixels of the drawing: (C, D, 4)."""
    rows = np.bitwise_or.reduce(bank, axis=-1) != 0
    columns = np.unpackbits(np.bitwise_or.reduce(bank, axis=-2), axis=-1, bitorder="little")
    right = columns.shape[-1] - columns[..., ::-1].argmax(axis=-1)
    bottom = rows.shape[-1] - rows[..., ::-1].argmax(axis=-1)
    edges = np.stack([columns.argmax(axis=-1), rows.argmax(axis=-1), right, bottom], axis=-1)
    return (edges - BORDER).astype(np.uint8)
