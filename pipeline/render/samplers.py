"""Which training samples are drawn on PASCAL-5i: sample i is one function of the data set, the sampler, a seed and i.

OSLSM's code takes whole passes over the items, its paper draws uniformly; SG-One's code draws a class first, from the
images that show one class alone, or from those that show base classes alone. Uniform doubles are all that is drawn,
since other methods of a NumPy generator may change with its version.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.episodes import Arrays
from pipeline.errors import UserError
from pipeline.seeds import generator

SAMPLERS = ("items", "paper", "single_class", "base_only", "semantic")
_BLOCK = 1000

Places = NDArray[np.int32]
"""Positions in a gallery, ascending."""


class Sampler(ABC):
    """Draws in blocks, each from a generator of its own."""

    block: int
    facts: Mapping[str, int]

    def __init__(self, dataset: str, name: str, seed: int) -> None:
        """Draw for `dataset` (which names fold and list) by the sampler `name`."""
        self._leaf = (dataset, name)
        self._seed = seed

    def rows(self, start: int, stop: int) -> Arrays:
        """`supports`, `queries` and `classes` of the samples [start, stop)."""
        first, last = start // self.block, -(-stop // self.block)
        blocks = [self._draw(self._generator(block)) for block in range(first, last)]
        part = slice(start - first * self.block, stop - first * self.block)
        return {name: np.concatenate([block[name] for block in blocks])[part] for name in blocks[0]}

    def _generator(self, block: int) -> np.random.Generator:
        return generator(self._seed, "episodes", *self._leaf, block)

    @abstractmethod
    def _draw(self, random: np.random.Generator) -> Arrays:
        """A whole block of samples."""


class ItemPasses(Sampler):
    """`items`: shuffled passes over pairs of image and class, with another image of the class as support."""

    def __init__(self, images: Mapping[int, Places], dataset: str, seed: int) -> None:
        """`images` of each class."""
        super().__init__(dataset, "items", seed)
        self._images = _enough(images)
        self._classes = np.concatenate([np.full(len(own), cls) for cls, own in self._images.items()])
        self._places = np.concatenate([np.arange(len(own)) for own in self._images.values()])
        self.block = len(self._classes)
        self.facts = {"items": self.block, "images": len(np.unique(np.concatenate([*self._images.values()])))}

    def _draw(self, random: np.random.Generator) -> Arrays:
        order = np.argsort(random.random(self.block), kind="stable")
        classes, places = self._classes[order], self._places[order]
        pairs = [
            _pair(self._images[int(cls)], int(place), draw)
            for cls, place, draw in zip(classes, places, random.random(self.block), strict=True)
        ]
        return _rows(pairs, classes)


class UniformClasses(Sampler):
    """`single_class` and `base_only`: a class, then two different images of it, each uniform."""

    block = _BLOCK

    def __init__(self, images: Mapping[int, Places], dataset: str, name: str, seed: int) -> None:
        """`images` of each class."""
        super().__init__(dataset, name, seed)
        self._images = _enough(images)
        self.facts = {
            "classes": len(self._images),
            "images": len(np.unique(np.concatenate([*self._images.values()]))),
        }

    def _draw(self, random: np.random.Generator) -> Arrays:
        draws, known = random.random((self.block, 3)), list(self._images)
        classes = np.array(known)[(draws[:, 0] * len(known)).astype(np.intp)]
        pairs = []
        for cls, (_, query, support) in zip(classes, draws, strict=True):
            own = self._images[int(cls)]
            pairs.append(_pair(own, int(query * len(own)), support))
        return _rows(pairs, classes)


class UniformImages(Sampler):
    """`paper` (Shaban et al. 2017, section 3.2): an image, one of its classes, another image of that, each uniform."""

    block = _BLOCK

    def __init__(self, images: Mapping[int, Places], dataset: str, seed: int) -> None:
        """`images` of each class."""
        super().__init__(dataset, "paper", seed)
        self._images = _enough(images)
        self._all = np.unique(np.concatenate([*self._images.values()]))
        self._within: dict[int, list[int]] = {}
        for cls, own in self._images.items():
            for place in own.tolist():
                self._within.setdefault(place, []).append(cls)
        self.facts = {"classes": len(self._images), "images": len(self._all)}

    def _draw(self, random: np.random.Generator) -> Arrays:
        draws, pairs, classes = random.random((self.block, 3)), [], []
        for image, cls, support in draws:
            query = int(self._all[int(image * len(self._all))])
            inside = self._within[query]
            classes.append(inside[int(cls * len(inside))])
            own = self._images[classes[-1]]
            pairs.append(_pair(own, int(np.searchsorted(own, query)), support))
        return _rows(pairs, np.array(classes))


class ImagePasses(Sampler):
    """`semantic`: shuffled passes over images, each with all base classes as objects 1, 2, ..., and no support."""

    def __init__(self, images: Places, classes: Sequence[int], dataset: str, seed: int) -> None:
        """All `images` that show one of `classes`."""
        super().__init__(dataset, "semantic", seed)
        if not len(images):
            raise UserError("no image of the training list shows a base class: give more of the data set")
        self._images, self._classes, self.block = images, np.array(classes), len(images)
        self.facts = {"images": len(images)}

    def _draw(self, random: np.random.Generator) -> Arrays:
        order = np.argsort(random.random(self.block), kind="stable")
        # A store cannot hold arrays of no width: -1 is the place of a support that there is not.
        return {
            "supports": np.full((self.block, 1), -1, np.int32),
            "queries": self._images[order][:, None],
            "classes": np.repeat(self._classes[None], self.block, axis=0).astype(np.int32),
        }


def _enough(images: Mapping[int, Places]) -> dict[int, Places]:
    # A class with a single image makes no episode; that of a small subset may be so.
    kept = {cls: own for cls, own in images.items() if len(own) > 1}
    if not kept:
        raise UserError("no base class has two images in the training list: give more of VOC, or another sampler")
    return kept


def _pair(own: Places, place: int, draw: float) -> tuple[int, int]:
    """Support and query: image `place` of the class, and one of the others."""
    other = int(draw * (len(own) - 1))
    return int(own[other + (other >= place)]), int(own[place])


def _rows(pairs: Sequence[tuple[int, int]], classes: NDArray[np.intp]) -> Arrays:
    placed = np.array(pairs, np.int32)
    return {"supports": placed[:, :1], "queries": placed[:, 1:], "classes": classes.astype(np.int32)[:, None]}
