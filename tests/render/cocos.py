"""Tiny copies of COCO 2014 in its layout."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.render.coco_folds import CLASSES, UNUSED

NUMBERS = [number for number in range(1, 91) if number not in UNUSED]


def square(left: int, top: int, side: int) -> list[int]:
    """The polygon that covers `side` pixels each way."""
    right, bottom = left + side - 1, top + side - 1
    return [left, top, right, top, right, bottom, left, bottom]


def annotation(image: int, category: int, *polygons: list[int], crowd: bool = False) -> dict[str, Any]:
    """One object; a crowd is given as runs of pixels, which nobody reads."""
    runs = {"counts": [0], "size": [1, 1]}
    segmentation = runs if crowd else list(polygons)
    return {"image_id": image, "category_id": category, "iscrowd": int(crowd), "segmentation": segmentation}


def make_coco(
    root: Path, annotations: Mapping[str, Sequence[dict[str, Any]]], size: tuple[int, int] = (48, 40)
) -> Path:
    """A COCO of these annotations by part below the source folder `root`; every part has grey images 1 to 3 too."""
    categories = [{"id": number, "name": name} for number, name in zip(NUMBERS, CLASSES, strict=True)]
    (root / "annotations").mkdir(parents=True)
    for part, held in annotations.items():
        (root / f"{part}2014").mkdir()
        shown = {each["image_id"] for each in held} | set(range(1, 4))
        images = [
            {"id": number, "file_name": f"COCO_{part}2014_{number:012}.jpg", "width": size[0], "height": size[1]}
            for number in shown
        ]
        for image in images:
            Image.new("RGB", size, (90, 90, 90)).save(root / f"{part}2014" / str(image["file_name"]))
        whole = {"images": images, "annotations": list(held), "categories": categories[::-1]}
        (root / "annotations" / f"instances_{part}2014.json").write_text(json.dumps(whole))
    return root
