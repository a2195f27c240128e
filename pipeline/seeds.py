"""Counted random numbers: one seed tree, so that sample i is the same whatever the workers, chunks or order.

The root is the user's seed; a leaf is (purpose, data set, split, index). Purposes are fixed names.
"""

import hashlib
from typing import Literal

import numpy as np

Purpose = Literal["initialize", "order", "step", "episodes", "glyphs", "bootstrap", "synthesize", "augment"]


def derive(seed: int, purpose: Purpose, *path: str | int) -> int:
    """A 64-bit seed for one leaf of the tree; `path` is the data set, split, stage and index, as far as they apply."""
    leaf = "/".join([str(seed), purpose, *map(str, path)])
    return int.from_bytes(hashlib.sha256(leaf.encode()).digest()[:8], "little")


def generator(seed: int, purpose: Purpose, *path: str | int) -> np.random.Generator:
    """A NumPy generator for one leaf of the tree."""
    return np.random.Generator(np.random.Philox(derive(seed, purpose, *path)))
