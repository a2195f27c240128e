"""A sample of COCO 2014 in its layout: `train2014/`, `val2014/` and `annotations/instances_{train,val}2014.json`.

Twenty of the eighty categories have pictures: those of the sample of VOC, which shape and texture tell apart, and
colour does not. Each fold of COCO-20i holds five of them, all shapes and all textures. Annotations are polygons, one a
connected part; holes of rings are filled.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from pipeline.download.samples.outlines import outlines
from pipeline.download.samples.voc2012 import save_jpeg
from pipeline.download.samples.voc_scenes import CLASSES, Mask, draw_scene
from pipeline.job import Facts, parse
from pipeline.render import coco_folds

_NUMBERS = [number for number in range(1, 91) if number not in coco_folds.UNUSED]


class Parameters(Facts):
    """How much to generate."""

    train: Annotated[int, Field(ge=1, le=999)] = 8
    """Pictures of each class in train."""
    val: Annotated[int, Field(ge=1, le=999)] = 6
    """Pictures of each class in val: five supports and a query at least."""


def generate(target: Path, parameters: dict[str, Any], seed: int) -> None:
    """Write the sample below `target`: the same pictures for the same parameters and seed."""
    wanted = parse(Parameters, parameters, "sample of coco2014")
    (target / "annotations").mkdir(parents=True)
    categories = [
        {"supercategory": "sample", "id": number, "name": name}
        for number, name in zip(_NUMBERS, coco_folds.CLASSES, strict=True)
    ]
    for part, per in wanted:
        folder = target / f"{part}2014"
        folder.mkdir()
        images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
        for number in range(1, CLASSES * per + 1):
            scene = draw_scene(seed, f"coco/{part}/{number}", 1 + number % CLASSES)
            height, width = scene.mask.shape
            images.append({"id": number, "file_name": f"COCO_{folder.name}_{number:012}.jpg"})
            images[-1] |= {"width": width, "height": height}
            save_jpeg(folder / images[-1]["file_name"], scene.image)
            for annotation in _annotations(scene.mask):
                annotations.append({"id": len(annotations) + 1, "image_id": number, **annotation})
        held = {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
        (target / "annotations" / f"instances_{folder.name}.json").write_text(json.dumps(held))


def category(cls: int) -> int:
    """The number of the category that shows class `cls` of the scenes, 1 to 20: its fold there is its fold here."""
    fold, shape = divmod(cls - 1, 5)
    return _NUMBERS[len(coco_folds.FOLDS) * shape + fold]


def _annotations(mask: Mask) -> Iterator[dict[str, Any]]:
    """One an object, the larger last."""
    sizes = np.bincount(mask.ravel(), minlength=CLASSES + 1)[1:]
    for cls in np.argsort(sizes, kind="stable") + 1:
        if not sizes[cls - 1]:
            continue
        rows, columns = np.nonzero(mask == cls)
        left, top = int(columns.min()), int(rows.min())
        yield {
            "category_id": category(int(cls)),
            "iscrowd": 0,
            "area": int(sizes[cls - 1]),
            "bbox": [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top],
            "segmentation": outlines(mask == cls),
        }
