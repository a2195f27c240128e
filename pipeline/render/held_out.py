"""Which textures and characters are kept for testing: a fixed rank of the names themselves.

The authors' own choice was never published as names. Here the names of the smallest SHA-256 are held out, 100 of them
(Ustyuzhaninov et al. 2018, section 2.1), but no more than a quarter of what is there, rounded up. So a part of a source
holds out what the whole one does, and more; `held_out_characters.txt` lists the choice among all of Omniglot.
"""

import hashlib
from collections.abc import Sequence

MOST = 100


def held_out(names: Sequence[str]) -> list[bool]:
    """Whether each of the `names` is for testing alone."""
    ranks = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    chosen = set(sorted(ranks)[: min(MOST, -(-len(names) // 4))])
    return [rank in chosen for rank in ranks]


def split_rows(names: Sequence[str], split: str) -> list[int]:
    """Positions of the names that the split `train` may show, or, for any other split, of the held-out ones."""
    return [row for row, held in enumerate(held_out(names)) if held != (split == "train")]
