"""COCO 2014 as one gallery: every annotated image with a mask of classes 1 to 80, train before val.

Categories are renumbered by increasing official number. Masks are filled from the polygons of the official annotations,
in their order, so that a later object covers an earlier one; crowds have no polygons and are left out. The script with
which few-shot papers made their masks fills the first polygon of an object alone, so that one in several parts loses
all others: `first_polygon_only` keeps that. A part of COCO may hold `instances_val2014_subset.json` in place of the
official file.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, UnidentifiedImageError

from pipeline.episodes import ArraySpec
from pipeline.errors import UserError, nearest
from pipeline.gallery import Picture
from pipeline.render.coco_folds import CLASSES

PARTS = ("train", "val")
"""What the column `part` says of an image: 0 or 1."""
MISSING = ("skip", "fail")


class Outline(NamedTuple):
    """One polygon of one object."""

    cls: int
    points: NDArray[np.float32]
    """x, y, x, y, ... in pixels."""


class _Entry(NamedTuple):
    part: int
    image: Path
    size: tuple[int, int]
    """Width and height."""
    outlines: Sequence[Outline]


@dataclass(frozen=True)
class CocoGallery:
    """The images, one after the other."""

    entries: Sequence[_Entry]
    facts: Mapping[str, int]
    columns: Mapping[str, ArraySpec]

    @property
    def names(self) -> Sequence[str]:
        """`val2014/COCO_val2014_000000000042`."""
        return [f"{entry.image.parent.name}/{entry.image.stem}" for entry in self.entries]

    def picture(self, index: int) -> Picture:
        """Image `index`, its mask, its part, and the pixels of each class that it shows."""
        part, image, size, outlines = self.entries[index]
        _check_size(image, size)
        mask = filled(size, outlines)
        pixels = np.bincount(mask.ravel(), minlength=len(CLASSES) + 1)
        return Picture(image.read_bytes(), _png(mask), {"pixels": pixels, "part": np.array(part)})


def gallery(*, sources: Mapping[str, Path], first_polygon_only: bool = True, missing: str = "skip") -> CocoGallery:
    """All images of `sources["coco2014"]` that have an annotation: a folder of the unpacked archives.

    `missing`: whether an annotated image that is not on disk is left out (`skip`) or an error (`fail`).
    """
    if "coco2014" not in sources:
        raise UserError("the gallery 'coco' needs the source 'coco2014': add it in suite.yaml")
    if missing not in MISSING:
        raise UserError(
            f"missing={missing}: an image that is not on disk can be left out or not; {nearest(missing, MISSING)}"
        )
    found, counts = list[_Entry](), dict[str, int]()
    for part, name in enumerate(PARTS):
        entries = list(_entries(sources["coco2014"], part, first_polygon_only))
        there = [entry for entry in entries if entry.image.is_file()]
        if missing == "fail" and len(there) < len(entries):
            absent = next(entry.image for entry in entries if not entry.image.is_file())
            raise UserError(f"the annotated image {absent} is not on disk: unpack COCO again, or set missing=skip")
        counts |= {name: len(there), f"{name}_missing": len(entries) - len(there)}
        found += there
    if not found:
        raise UserError(f"{sources['coco2014']} holds no annotated image: unpack COCO 2014 again")
    columns = {"pixels": ArraySpec((len(CLASSES) + 1,), "int32"), "part": ArraySpec((), "uint8")}
    return CocoGallery(found, counts, columns)


def filled(size: tuple[int, int], outlines: Sequence[Outline]) -> NDArray[np.uint8]:
    """The mask (H, W) of `size` = (W, H): outlines filled one after the other; fewer than 3 points fill nothing."""
    canvas = Image.new("L", size)
    draw = ImageDraw.Draw(canvas)
    for cls, points in outlines:
        if len(points) >= 6:
            draw.polygon(points.tolist(), fill=cls)
    return np.asarray(canvas)


def _entries(folder: Path, part: int, first_only: bool) -> Iterator[_Entry]:
    """Annotated images of one part by their official number."""
    path = _annotations(folder, PARTS[part])
    if path is None:
        return
    try:
        official = json.loads(path.read_bytes())
        numbers = sorted(int(category["id"]) for category in official["categories"])
        classes = {number: k for k, number in enumerate(numbers, start=1)}
        outlines: dict[int, list[Outline]] = {}
        for annotation in official["annotations"]:
            own = outlines.setdefault(annotation["image_id"], [])
            own += _outlines(annotation, classes, first_only)
        images = sorted(official["images"], key=lambda image: int(image["id"]))
        sizes = {image["id"]: (int(image["width"]), int(image["height"])) for image in images}
        files = {image["id"]: folder / f"{PARTS[part]}2014" / image["file_name"] for image in images}
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path} is not COCO's annotation of objects ({reason}): unpack COCO again") from None
    if len(numbers) != len(CLASSES):
        raise UserError(f"{path} lists {len(numbers)} categories, but COCO has {len(CLASSES)}: unpack COCO again")
    for number, file in files.items():
        if number in outlines:
            yield _Entry(part, file, sizes[number], outlines[number])


def _annotations(folder: Path, part: str) -> Path | None:
    """The official file, or one of a part of COCO; None, and a line, where there is neither."""
    for name in (f"instances_{part}2014.json", f"instances_{part}2014_subset.json"):
        if (folder / "annotations" / name).is_file():
            return folder / "annotations" / name
    print(f"no annotations/instances_{part}2014.json in {folder}: the gallery has no image of {part}", flush=True)
    return None


def _outlines(annotation: Mapping[str, Any], classes: Mapping[int, int], first_only: bool) -> list[Outline]:
    """Of one object; none of a crowd, which is given as runs of pixels."""
    polygons = annotation["segmentation"]
    if annotation["iscrowd"] or not isinstance(polygons, list):
        return []
    kept = polygons[:1] if first_only else polygons
    return [Outline(classes[annotation["category_id"]], np.array(points, np.float32)) for points in kept]


def _check_size(path: Path, size: tuple[int, int]) -> None:
    try:
        with Image.open(path) as opened:
            found = opened.size
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"the image {path} cannot be read ({error}): unpack COCO again") from None
    if found != size:
        sizes = f"{found[0]}x{found[1]}, its annotation says {size[0]}x{size[1]} pixels"
        raise UserError(f"the image {path} is {sizes}: unpack COCO again")


def _png(mask: NDArray[np.uint8]) -> bytes:
    data = BytesIO()
    Image.fromarray(mask).save(data, "PNG", compress_level=0)  # the store compresses, with the same bytes anywhere
    return data.getvalue()
