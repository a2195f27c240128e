"""How others than OSLSM choose test episodes on PASCAL-5i: whom a query is paired with, in which order, how often.

Where a protocol's own stream of random numbers cannot be had (its code draws inside loading processes, or names no
generator), episode i is one function of the fold, the protocol, its published seed and i.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.render.folds import CLASSES
from pipeline.render.items import Item, by_class, check_supports
from pipeline.render.tuples import EPISODES, Tuple
from pipeline.seeds import generator

PFENET_EPISODES = 5000
PFENET_SEED, COFCN_SEED, WAYS_SEED = 321, 1337, 1385


def swapped(tuples: Sequence[Tuple]) -> list[Tuple]:
    """SG-One's released one-shot script: the query supports its first support."""
    return [Tuple(cls, supports[0], (query,)) for cls, query, supports in tuples]


def hsnet(items: Sequence[Item], *, supports: int, count: int = EPISODES) -> list[Tuple]:
    """HSNet: items in the order of its list, over and over; supports from NumPy's legacy generator, seed 0.

    A support is never the query, but one image may support twice. Draws are those of a run with `supports` shots.
    """
    check_supports(items, 1)
    if supports < 1:
        raise UserError(f"supports={supports}: an episode has at least one")
    random, classes, found = np.random.RandomState(0), by_class(items), []
    for query in (items[i % len(items)] for i in range(count)):
        own, chosen = classes[query.cls], list[str]()
        while len(chosen) < supports:
            # The legacy stream is frozen: choice(n, 1, replace=False) shuffles n places and takes the first.
            image = own[int(random.choice(len(own), 1, replace=False)[0])].image
            if image != query.image:
                chosen.append(image)
        found.append(Tuple(query.cls, query.image, tuple(chosen)))
    return found


def pfenet_repri(items: Sequence[Item], shown: Sequence[Item], *, fold: int, supports: int) -> list[Tuple]:
    """PFENet and RePRI: images in the order of the file, then a class, then other images of it, none twice.

    `items` are the large objects, from which images and supports come; an image's class is any of the fold that is
    `shown` in it. As many episodes as PFENet takes; RePRI takes 1,000, five times.
    """
    check_supports(items, supports)
    classes = by_class(items)
    images = sorted({item.image for item in items})
    within: dict[str, list[int]] = {}
    for item in shown:
        within.setdefault(item.image, []).append(item.cls)
    found = []
    for episode in range(PFENET_EPISODES):
        query = images[episode % len(images)]
        draws = _draws(PFENET_SEED, fold, "pfenet_repri", episode, 1 + len(items))
        cls = within[query][int(draws[0] * len(within[query]))]
        others = [item.image for item in classes[cls] if item.image != query]
        order = np.argsort(draws[1 : 1 + len(others)], kind="stable")[:supports]
        found.append(Tuple(cls, query, tuple(others[i] for i in order)))
    return found


def cofcn_all(shown: Sequence[Item], *, fold: int, supports: int) -> list[Tuple]:
    """co-FCN: every class in every image once; supports from all images of the class, the query among them."""
    check_supports(shown, supports, others=0)
    classes, found = by_class(shown), []
    for episode, (image, cls) in enumerate(shown):
        own = classes[cls]
        draws = _draws(COFCN_SEED, fold, "cofcn_all", episode, supports)
        found.append(Tuple(cls, image, tuple(own[int(draw * len(own))].image for draw in draws)))
    return found


def five_way(
    shown: Sequence[Item], classes: Sequence[int], *, fold: int, count: int = EPISODES, mixed: bool = False
) -> list[Tuple]:
    """SG-One, section 4.4: a query of novel classes alone, and an image of each novel class that shows no other.

    `shown` are all classes 1 to 20 of the images that may be drawn, `classes` the five novel ones, in the order of the
    supports. The query's class is uniform, its image uniform within the class; no image supports itself. With `mixed`,
    a class with fewer than two images of its own is supported by those that show base classes too, and where these are
    fewer than two as well, by all that show it.
    """
    held: dict[str, set[int]] = {}
    for item in shown:
        held.setdefault(item.image, set()).add(item.cls)
    pure = {cls: [image for image, inside in held.items() if inside == {cls}] for cls in classes}
    if mixed:
        for cls in classes:
            for kept_out in (set(classes) - {cls}, set[int]()):
                if len(pure[cls]) < 2:
                    pure[cls] = [image for image, inside in held.items() if cls in inside and not inside & kept_out]
    queries = {cls: [image for image, inside in held.items() if cls in inside <= set(classes)] for cls in classes}
    for cls, images in pure.items():
        if len(images) < 2:
            lacking = f"class {cls} ({CLASSES[cls - 1]}) has {len(images)} images that show it alone"
            raise UserError(f"{lacking}, but episodes of five ways need 2: give more of VOC")
    asked, found = [cls for cls in classes if queries[cls]], []
    if not asked:
        raise UserError("no image shows the fold's classes alone, as a query of five ways must: give more of VOC")
    for episode in range(count):
        draws = _draws(WAYS_SEED, fold, "five_way", episode, 2 + len(classes))
        cls = asked[int(draws[0] * len(asked))]
        query = queries[cls][int(draws[1] * len(queries[cls]))]
        others = [[image for image in pure[way] if image != query] for way in classes]
        supports = (images[int(draw * len(images))] for images, draw in zip(others, draws[2:], strict=True))
        found.append(Tuple(cls, query, tuple(supports)))
    return found


def _draws(seed: int, fold: int, protocol: str, episode: int, count: int) -> NDArray[np.float64]:
    # Uniform doubles alone: other methods of a NumPy generator may change with its version.
    return generator(seed, "episodes", f"pascal5i-fold{fold}", protocol, episode).random(count)
