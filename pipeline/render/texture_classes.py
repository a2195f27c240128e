"""Classification by patches (Ustyuzhaninov et al. 2018, section 6.7): five classes, each against the others.

An image is said to be of a class where more than 30 % of it has the texture of a patch of that class, so that its mask
is all ones where it is of the class, and all zeros elsewhere. The paper has five classes of ImageNet and candidate
patches of another network; here classes are folders of images, and candidates are cut at random from training images.

The gallery holds the images of every class, half of them to choose patches on, then the patches. Its splits:
`test`   a patch, and two queries: query 0 is a training image, on which patches are ranked, query 1 a test image. Both
         are of the patch's class in every other round over all patches; never is the patch's own image among them.
`whole`  all training images of a class and as many of others; the query is a test image. For rivals without patches.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.episodes import Arrays, ArraySpec
from pipeline.errors import UserError, nearest
from pipeline.gallery import GalleryStore, Picture
from pipeline.render.patch import Place
from pipeline.seeds import generator
from pipeline.table import Table
from pipeline.texturize.photos import UnreadableError, find_photos, load
from pipeline.texturize.shelf import Photo

CLASSES = 5
TRAIN, TEST, PATCH = range(3)
"""What the column `part` says of a picture."""
_LEAST = 4
_COLUMNS = ("classes", "part", "origin")


@dataclass(frozen=True)
class _Entry:
    name: str
    photo: Photo
    number: int
    part: int
    origin: int
    """Of a patch: the place of its image among the training images of its class."""
    place: Place | None


@dataclass(frozen=True)
class ClassGallery:
    """Images (side, side) of five classes, and patches of them; masks are the number of the class, 1 to 5, all over."""

    entries: list[_Entry]
    side: int
    patch: int
    columns: Mapping[str, ArraySpec]
    facts: Mapping[str, int]

    @property
    def names(self) -> list[str]:
        """`<class>/<file>`, and `<class>/<file>@<row>,<column>,<k>` of a patch."""
        return [entry.name for entry in self.entries]

    def picture(self, index: int) -> Picture:
        """Picture `index`; `UserError` where its image cannot be read."""
        entry = self.entries[index]
        try:
            pixels, _ = load(entry.photo.path, self.side)
        except UnreadableError as error:
            raise UserError(f"the image {entry.photo.path} cannot be read ({error}): take it away") from None
        if entry.place is not None:
            top, left = entry.place
            pixels = pixels[top : top + self.patch, left : left + self.patch]
        mask = np.full(pixels.shape[:2], entry.number, np.uint8)
        values = dict(zip(_COLUMNS, (entry.number, entry.part, entry.origin), strict=True))
        return Picture(_png(pixels), _png(mask), {name: np.array(value) for name, value in values.items()})


def gallery(
    *, sources: Mapping[str, Path], side: int, patch: int, patches: int, images: int, folder: str = ""
) -> ClassGallery:
    """At most `images` images of each of five classes, and `patches` random patches of side `patch` of each class.

    The classes are the sub-folders of `folder` or, where that is empty, the categories of `sources["dtd"]`: those with
    most images, by name. All get as many images as the smallest has; odd ones out train. `UserError` for less than five
    classes of four images.
    """
    if not 1 <= patch <= side:
        raise UserError(f"patch={patch}: patches are cut from images of {side} pixels (published: 32)")
    if folder and not Path(folder).is_dir():
        raise UserError(f"texture_classes={folder}: there is no such folder; name one with a folder of images a class")
    chosen = _classes(find_photos(Path(folder) if folder else sources["dtd"]), images, folder or "DTD")
    train = -(-len(chosen[0]) // 2)
    entries = [
        _Entry(photo.name, photo, number, TRAIN if place < train else TEST, 0, None)
        for number, photos in enumerate(chosen, start=1)
        for place, photo in enumerate(photos)
    ]
    for number, photos in enumerate(chosen, start=1):
        entries += [_patch(photos, number, k, train, side - patch + 1) for k in range(patches)]
    facts = {"classes": CLASSES, "train": train, "test": len(chosen[0]) - train, "patches": patches}
    return ClassGallery(entries, side, patch, {name: ArraySpec((), "int32") for name in _COLUMNS}, facts)


def renderer(*, split: str, sources: Mapping[str, Path], side: int, patch: int) -> Table:
    """Episodes of `test` or `whole` (see above) from the one gallery in `sources`; `side` and `patch` are its own."""
    if len(sources) != 1:
        raise UserError("the renderer 'texture_classes' needs one gallery: name it under `galleries` in suite.yaml")
    (path,) = sources.values()
    known = {"test": _by_patches, "whole": _whole}
    if split not in known:
        raise UserError(f"classes of images have no split '{split}'; {nearest(split, known)}")
    return known[split](path, _View(GalleryStore(path).columns), side, patch)


class _View:
    """Positions in the gallery: training and test images, and patches, (5, n) each, by class."""

    def __init__(self, columns: Arrays) -> None:
        self.train, self.test, self.patches = (
            np.stack(
                [np.flatnonzero((columns["classes"] == c + 1) & (columns["part"] == part)) for c in range(CLASSES)]
            )
            for part in (TRAIN, TEST, PATCH)
        )
        self.origin: NDArray[np.int64] = columns["origin"].astype(np.int64)


def _by_patches(path: Path, view: _View, side: int, patch: int) -> Table:
    """Episode e shows patch e % P, of class e % 5 + 1; in its even rounds e // P two images of that class."""
    patches, rounds = view.patches.size, min(view.train.shape[1] - 1, view.test.shape[1])

    def rows(start: int, stop: int) -> Arrays:
        number = np.arange(start, stop)
        round_, of = np.divmod(number, patches)
        c, place = of % CLASSES, of // CLASSES
        shown = view.patches[c, place]
        other = (c + 1 + round_ // 2 % (CLASSES - 1)) % CLASSES
        seen = np.where(round_ % 2 == 0, c, other)
        step = view.origin[shown] + 1 + np.where(round_ % 2 == 0, round_ // 2, round_ // 2 // (CLASSES - 1))
        images = [part[seen, step % part.shape[1]] for part in (view.train, view.test)]
        return _rows(shown[:, None], np.stack(images, axis=1), c)

    facts = {"patches": patches, "rounds": 2 * rounds}
    length = patches * 2 * rounds
    return Table(path, rows, length, 1, 2, 1, fit=side, support_fit=patch, facts=facts)


def _whole(path: Path, view: _View, side: int, patch: int) -> Table:
    """Episode e is of class e % 5 + 1; every other round e // 5 the query is of that class."""
    train, test = view.train.shape[1], view.test.shape[1]

    def rows(start: int, stop: int) -> Arrays:
        round_, c = np.divmod(np.arange(start, stop), CLASSES)
        i = np.arange(train)
        others = view.train[(c[:, None] + 1 + i % (CLASSES - 1)) % CLASSES, i // (CLASSES - 1)]
        supports = np.concatenate([view.train[c], others], axis=1)
        at = round_ // 2
        own = view.test[c, at]
        other = view.test[(c + 1 + at % (CLASSES - 1)) % CLASSES, at // (CLASSES - 1)]
        return _rows(supports, np.where(round_ % 2 == 0, own, other)[:, None], c)

    length = CLASSES * 2 * test
    return Table(path, rows, length, 2 * train, 1, 1, ways=2 * train, fit=side, support_fit=side)


def _rows(supports: NDArray[np.int64], queries: NDArray[np.int64], c: NDArray[np.int64]) -> Arrays:
    values = {"supports": supports, "queries": queries, "classes": c[:, None] + 1}
    return {name: array.astype(np.int32) for name, array in values.items()}


def _classes(photos: list[Photo], images: int, where: str) -> list[list[Photo]]:
    """The photos of five classes, the same number of each; `UserError` where there are too few."""
    found: dict[str, list[Photo]] = {}
    for photo in photos:
        found.setdefault(photo.name.partition("/")[0], []).append(photo)
    most = sorted(found, key=lambda name: (-min(images, len(found[name])), name))[:CLASSES]
    least = min(images, *(len(found[name]) for name in most))
    if len(most) < CLASSES or least < _LEAST:
        few = f"{len(most)} classes of at least {least} images" if most else "no class"
        raise UserError(f"{where} has {few}, but {CLASSES} of at least {_LEAST} are needed: add folders or images")
    return [found[name][:least] for name in sorted(most)]


def _patch(photos: list[Photo], number: int, k: int, train: int, span: int) -> _Entry:
    """Candidate `k` of class `number`: at one of `span` places a side, of one training image after the other."""
    # Uniform doubles alone: other methods of a NumPy generator may change with its version.
    draws = generator(0, "episodes", "texture_classes", "patches", number, k).random(2)
    place = int(draws[0] * span), int(draws[1] * span)
    photo = photos[k % train]
    return _Entry(f"{photo.name}@{place[0]},{place[1]},{k}", photo, number, PATCH, k % train, place)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    # Stored without compression: zlib and its fast relatives differ in what they compress to.
    Image.fromarray(pixels).save(data, "PNG", compress_level=0)
    return data.getvalue()
