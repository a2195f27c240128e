"""COCO-20i: tasks of one fold, as positions in the COCO gallery (RePRI, arXiv 2012.06166; OSMIS, arXiv 2209.07547).

`restricted` few supports, many queries: a class's supports are five images of val, chosen once and for all, since a
             synthesizer is fitted to each; queries are all other images of val. The seed with which the authors of
             OSMIS chose theirs is unknown.
`pairs`      each of those supports alone, by class; nothing is queried.
`train`      images of train for semantic training: the sixty base classes are objects 1 to 60, pixels of the twenty
             novel ones are void, and there is no support.

An image counts for a class that covers at least 2,048 of its pixels, in all three.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays
from pipeline.errors import UserError, nearest
from pipeline.gallery import GalleryStore
from pipeline.render.coco import PARTS
from pipeline.render.coco_folds import CLASSES, base, novel
from pipeline.render.samplers import ImagePasses
from pipeline.seeds import derive, generator
from pipeline.table import Table, longer

LENGTH = 100_000_000
"""Training samples, or tasks: as many as anyone may ask for, since they are drawn, not taken from a list."""
SPLITS = ("restricted", "pairs", "train")
SHORT = ("fail", "fewer")
SEED = 2020
"""RePRI's; of the choice of supports, and of the tasks."""


def renderer(
    *,
    split: str,
    sources: Mapping[str, Path],
    fold: int,
    supports: int = 1,
    choice: int = 5,
    tasks: int = 1000,
    least_pixels: int = 2048,
    side: int = 417,
    short: str = "fail",
    seed: int = 0,
) -> Table:
    """The split's table; the one of `sources` is the gallery's store.

    `restricted` holds runs of `tasks` tasks, one after the other, with `supports` each, of the `choice` of every class.
    Frames are of `side` pixels (`table.longer`), those of `pairs` of their own size. Where a class of the fold has not
    more images than `choice`, that is an error, or with `short=fewer` it has fewer supports, or no task. Training draws
    by `seed`. `UserError` for what does not exist, and where too few images are there.
    """
    if split not in SPLITS:
        raise UserError(f"COCO-20i has no split '{split}'; {nearest(split, SPLITS)}")
    if short not in SHORT:
        raise UserError(f"short={short}: too few images are an error, or give fewer supports; {nearest(short, SHORT)}")
    if len(sources) != 1:
        raise UserError("the renderer 'coco20i' needs the gallery 'coco': name it in suite.yaml")
    if not 1 <= supports <= choice:
        raise UserError(f"supports={supports}: a task has at least one support, and at most choice={choice}")
    path = next(iter(sources.values()))
    store = GalleryStore(path)
    if lacking := {"pixels", "part"} - set(store.columns):
        raise UserError(f"the gallery {path} counts no {', '.join(sorted(lacking))}: render it by the gallery 'coco'")
    shown = store.columns["pixels"] >= least_pixels
    own = store.columns["part"] == PARTS.index("train" if split == "train" else "val")
    shown &= own[:, None]
    if split == "train":
        return _training(path, shown, fold, side, seed)
    chosen = _chosen(store.names, shown, novel(fold), choice, fewer=short == "fewer")
    if split == "pairs":
        return _pairs(path, chosen)
    return _restricted(path, _Tasks(shown, chosen, fold, supports, tasks), side)


def _training(path: Path, shown: NDArray[np.bool_], fold: int, side: int, seed: int) -> Table:
    classes = base(fold)
    images = np.flatnonzero(shown[:, list(classes)].any(axis=1)).astype(np.int32)
    drawn = ImagePasses(images, classes, f"coco20i_base-fold{fold}", seed)
    fit, ignored = longer(side), novel(fold)
    return Table(
        path,
        drawn.rows,
        LENGTH,
        1,
        1,
        len(classes),
        fit=fit,
        support_fit=fit,
        ignored=ignored,
        facts=drawn.facts,
    )


def _chosen(
    names: Sequence[str], shown: NDArray[np.bool_], classes: Sequence[int], choice: int, *, fewer: bool
) -> dict[int, list[int]]:
    """Positions of the supports of each class that can have a task, in the order of their lot.

    The lot of an image is one function of its name and the class, so that a part of COCO chooses among what is there as
    the whole does.
    """
    found = {}
    for cls in classes:
        images = np.flatnonzero(shown[:, cls]).tolist()
        if len(images) <= choice and not fewer:
            lacking = f"class {cls} ({CLASSES[cls - 1]}) has {len(images)} images of val"
            raise UserError(f"{lacking}, but {choice} supports and a query are needed: give more of COCO")
        if len(images) > 1:
            images.sort(key=lambda image: derive(SEED, "episodes", "coco20i", "supports", cls, names[image]))
            found[cls] = images[:choice]
    if not found:
        raise UserError("no class of the fold has two images of val: give more of COCO, or another fold")
    return found


def _pairs(path: Path, chosen: Mapping[int, Sequence[int]]) -> Table:
    pairs = np.array([(image, cls) for cls, images in chosen.items() for image in images], np.int32)

    def rows(start: int, stop: int) -> Arrays:
        part = pairs[start:stop]
        return {"supports": part[:, :1], "queries": np.full_like(part[:, :1], -1), "classes": part[:, 1:]}

    return Table(path, rows, len(pairs), 1, 1, 1, facts={"pairs": len(pairs), "classes": len(chosen)})


@dataclass(frozen=True)
class _Tasks:
    """Tasks of the split `restricted`, a run at a time."""

    shown: NDArray[np.bool_]
    """(N, 81): which images count for which classes."""
    chosen: Mapping[int, Sequence[int]]
    fold: int
    supports: int
    tasks: int

    def within(self) -> dict[int, list[int]]:
        """Image -> its classes that another image supports, of all images that have any."""
        found = {}
        for image in np.flatnonzero(self.shown[:, list(self.chosen)].any(axis=1)).tolist():
            found[image] = [c for c, own in self.chosen.items() if self.shown[image, c] and set(own) - {image}]
        return {image: classes for image, classes in found.items() if classes}

    def run(self, number: int) -> NDArray[np.int32]:
        """(tasks, supports + 2): supports, query and class; shuffled passes over all images that can be queried.

        The class is uniform among the query's, the supports are drawn among its chosen ones, the query apart.
        """
        random = generator(SEED, "episodes", f"coco20i-fold{self.fold}", "restricted", number)
        within, found = self.within(), np.full((self.tasks, self.supports + 2), -1, np.int32)
        images = np.array(list(within))
        passes = [np.argsort(random.random(len(images)), kind="stable") for _ in range(-(-self.tasks // len(images)))]
        for row, place in zip(found, np.concatenate(passes), strict=False):
            query = int(images[place])
            draws = random.random(1 + max(map(len, self.chosen.values())))
            cls = within[query][int(draws[0] * len(within[query]))]
            others = np.array([image for image in self.chosen[cls] if image != query])
            order = np.argsort(draws[1 : 1 + len(others)], kind="stable")[: self.supports]
            row[: len(order)] = others[order]
            row[-2:] = query, cls
        return found


def _restricted(path: Path, tasks: _Tasks, side: int) -> Table:
    run = lru_cache(maxsize=8)(tasks.run)

    def rows(start: int, stop: int) -> Arrays:
        first, last = start // tasks.tasks, -(-stop // tasks.tasks)
        numbers = np.concatenate([run(number) for number in range(first, last)])
        part = numbers[start - first * tasks.tasks : stop - first * tasks.tasks]
        return {"supports": part[:, :-2], "queries": part[:, -2:-1], "classes": part[:, -1:]}

    facts = {
        "images": len(tasks.within()),
        "classes": len(tasks.chosen),
        "supports": sum(map(len, tasks.chosen.values())),
    }
    fit = longer(side)
    return Table(path, rows, LENGTH, tasks.supports, 1, 1, fit=fit, support_fit=fit, facts=facts)
