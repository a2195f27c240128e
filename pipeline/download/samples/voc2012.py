"""A sample of VOC 2012 in its layout: twenty classes that shape and texture tell apart, and colour does not.

`VOCdevkit/VOC2012/{JPEGImages, SegmentationClass, ImageSets/Segmentation}`; sides of 64 to 80 px, masks as palettes
with a void band. Every class has the same number of pictures in train and in val, and is a guest in others.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import Field

from pipeline.download.samples.voc_scenes import CLASSES, draw_scene, with_void
from pipeline.job import Facts, parse


class Parameters(Facts):
    """How much to generate."""

    train: Annotated[int, Field(ge=1, le=999)] = 12
    """Pictures of each class in train."""
    val: Annotated[int, Field(ge=1, le=999)] = 12
    """Pictures of each class in val."""


def generate(target: Path, parameters: dict[str, Any], seed: int) -> None:
    """Write the sample below `target`: the same pictures for the same parameters and seed."""
    wanted = parse(Parameters, parameters, "sample of voc2012")
    root = target / "VOCdevkit" / "VOC2012"
    lists = {split: [f"{split}_{n + 1:06d}" for n in range(CLASSES * per)] for split, per in wanted}
    folder = root / "ImageSets" / "Segmentation"
    for path in (root / "JPEGImages", root / "SegmentationClass", folder):
        path.mkdir(parents=True)
    for split, names in {**lists, "trainval": sorted(lists["train"] + lists["val"])}.items():
        (folder / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    for names in lists.values():
        for number, name in enumerate(names):
            scene = draw_scene(seed, name, 1 + number % CLASSES)
            save_jpeg(root / "JPEGImages" / f"{name}.jpg", scene.image)
            picture = Image.fromarray(with_void(scene.mask))
            picture.putpalette(palette())
            # Stored without compression: zlib and its fast relatives differ in what they compress to.
            picture.save(root / "SegmentationClass" / f"{name}.png", compress_level=0)


def save_jpeg(path: Path, image: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """As a JPEG that keeps textures: every colour at full resolution."""
    Image.fromarray(image).save(path, quality=92, subsampling=0)


def palette() -> bytes:
    """VOC's colours of 256 values: the bits of a value, three at a time, from the highest bit of each channel down."""
    colours = np.zeros((256, 3), np.uint8)
    values = np.arange(256)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= ((values >> (3 * place + channel) & 1) << (7 - place)).astype(np.uint8)
    return colours.tobytes()
