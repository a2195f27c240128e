"""The 1,000 episodes a fold of the OSLSM benchmark, exactly as its released code draws them.

Queries go through whole shuffled passes over the items; supports are the first of the class's other items, shuffled.
All draws come from one Mersenne Twister, seeded anew for each fold, through Python 2's shuffle, which differs from the
one of Python 3.
"""

from collections.abc import MutableSequence, Sequence
from random import Random
from typing import Any, NamedTuple

from pipeline.render.items import Item, by_class, check_supports

SEED = 1385
EPISODES = 1000


class Tuple(NamedTuple):
    """One episode by names."""

    cls: int
    query: str
    supports: tuple[str, ...]


def shuffle(values: MutableSequence[Any], random: Random) -> None:
    """Python 2's `random.shuffle`: one double for each place from the last to the second."""
    for i in reversed(range(1, len(values))):
        j = int(random.random() * (i + 1))
        values[i], values[j] = values[j], values[i]


def draw_tuples(
    items: Sequence[Item], *, supports: int, count: int = EPISODES, seed: int = SEED, fewer: bool = False
) -> list[Tuple]:
    """The first `count` episodes; queries do not depend on `supports`, and fewer supports are the first of more.

    `UserError` where a class has not more items than `supports`; with `fewer`, its episodes have as many as there are.
    """
    check_supports(items, 1 if fewer and supports > 1 else supports)
    random, classes = Random(seed), by_class(items)
    places = {item: place for list_ in classes.values() for place, item in enumerate(list_)}
    found: list[Tuple] = []
    while len(found) < count:
        order = list(items)
        shuffle(order, random)
        for query in order[: count - len(found)]:
            own = classes[query.cls]
            others = [*own[: places[query]], *own[places[query] + 1 :]]
            shuffle(others, random)
            found.append(Tuple(query.cls, query.image, tuple(item.image for item in others[:supports])))
    return found
