"""Items of PASCAL-5i: pairs of an image of VOC's val and a class that it shows, in the benchmark's order.

The benchmark's own 1,867 items stand in `pascal5i_items.tsv` (fold, class, image); see `grid_points` for why they are
not found anew. Where only a part of VOC is there, those of its images are the items.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import UserError
from pipeline.render.folds import CLASSES, FOLDS

_TABLE = Path(__file__).with_name("pascal5i_items.tsv")
HSNET_ADDS = (("2009_004509", 3), ("2011_002509", 9), ("2009_002571", 16))
HSNET_LACKS = (("2010_001246", 2), ("2010_002792", 2))
"""What HSNet's own lists of val have beside the benchmark's items, and what they have not."""


class Item(NamedTuple):
    """One class in one image; sorts by image, then by class."""

    image: str
    cls: int


@cache
def benchmark_items(fold: int) -> tuple[Item, ...]:
    """The published items of a fold, 347, 450, 725 or 345, image by image."""
    if fold not in FOLDS:
        raise UserError(f"fold={fold}: PASCAL-5i has the folds 0 to 3")
    rows = (line.split("\t") for line in _TABLE.read_text().splitlines())
    return tuple(Item(image, int(cls)) for number, cls, image in rows if int(number) == fold)


def hsnet_items(fold: int) -> tuple[Item, ...]:
    """The items of HSNet's lists, 346, 451, 725 or 346, in the order of its files."""
    kept = {item for item in benchmark_items(fold) if item not in HSNET_LACKS}
    return tuple(sorted(kept | {Item(*pair) for pair in HSNET_ADDS if (pair[1] - 1) // 5 == fold}))


def restricted(items: Sequence[Item], there: Collection[str]) -> tuple[Item, ...]:
    """The items of those images that are there, in the same order."""
    return tuple(item for item in items if item.image in there)


def by_class(items: Sequence[Item]) -> Mapping[int, tuple[Item, ...]]:
    """The items of each class that has some, each list in the given order."""
    found: dict[int, list[Item]] = {}
    for item in items:
        found.setdefault(item.cls, []).append(item)
    return {cls: tuple(found[cls]) for cls in sorted(found)}


def check_supports(items: Sequence[Item], supports: int, others: int = 1) -> None:
    """`UserError` where a class has fewer items than `supports` and `others` beside them."""
    if supports < 1:
        raise UserError(f"supports={supports}: an episode has at least one")
    if not items:
        raise UserError("no image of val shows a class of the fold: unpack VOC 2012 again, or give a larger part of it")
    cls, least = min(by_class(items).items(), key=lambda pair: len(pair[1]))
    if len(least) < supports + others:
        needed = f"{supports} supports" + (" and a query" if others else "")
        wrong = (
            f"supports={supports}: class {cls} ({CLASSES[cls - 1]}) has {len(least)} images, but {needed} are needed"
        )
        raise UserError(f"{wrong}: ask for at most {max(len(least) - others, 0)}, or give more of VOC")
