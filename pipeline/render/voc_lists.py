"""The official lists of images: VOC 2012's segmentation train and val, and what SBD adds to them.

`pascal5i_images.tsv` holds them whole, so that a part of VOC is known for one: 1,449 of `v` (val), 1,464 of `t`
(train), 5,623 of `n` (SBD's train_noval, of which 1,134 are of train too) and 4,629 of `a`, SBD's other masks outside
val. All but val is the list of 10,582 that is called trainaug; train and train_noval together are 5,953.
"""

from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("pascal5i_images.tsv")


@cache
def official(letters: str) -> frozenset[str]:
    """Images of the lists named by `letters`, of `v`, `t`, `n` and `a`."""
    return frozenset(image for image, lists in _rows() if set(letters) & set(lists))


@cache
def _rows() -> tuple[tuple[str, str], ...]:
    return tuple(tuple(line.split("\t", 1)) for line in _TABLE.read_text().splitlines()[1:])  # type: ignore[misc]
