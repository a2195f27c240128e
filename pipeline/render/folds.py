"""PASCAL-5i's four folds of VOC's twenty classes (Shaban et al. 2017, section 4, whose formula 4i+1 is a misprint)."""

from pipeline.errors import UserError

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle",
    "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person",
    "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Class k of the masks, 1 to 20, is `CLASSES[k - 1]`."""
FOLDS = range(4)


def novel(fold: int) -> tuple[int, ...]:
    """The five classes that a fold keeps for testing, 5i+1 to 5i+5; `UserError` for a fold that there is not."""
    if fold not in FOLDS:
        raise UserError(f"fold={fold}: PASCAL-5i has the folds 0 to 3")
    return tuple(range(5 * fold + 1, 5 * fold + 6))


def base(fold: int) -> tuple[int, ...]:
    """The fifteen classes that a fold trains on, in ascending order."""
    kept = novel(fold)
    return tuple(c for c in range(1, len(CLASSES) + 1) if c not in kept)
