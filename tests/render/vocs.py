"""Tiny copies of VOC 2012 and SBD in their layout, and galleries that hold every official name without its picture."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from pipeline.episodes import Arrays, ArraySpec
from pipeline.gallery import Picture, write_gallery
from pipeline.render.items import benchmark_items, hsnet_items
from pipeline.render.voc_lists import official

Mask = NDArray[np.uint8]


def make_voc(root: Path, masks: Mapping[str, Mask], **lists: Sequence[str]) -> Path:
    """A VOC of these masks, each with a grey picture, below the source folder `root`; lists by name."""
    folder = root / "VOCdevkit" / "VOC2012"
    for kind in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for name, mask in masks.items():
        Image.new("RGB", mask.shape[::-1], (90, 90, 90)).save(folder / "JPEGImages" / f"{name}.jpg")
        picture = Image.fromarray(mask)
        picture.putpalette([255 - value // 3 for value in range(768)])
        picture.save(folder / "SegmentationClass" / f"{name}.png")
    for name, ids in {"train": (), "val": (), **lists}.items():
        (folder / "ImageSets" / "Segmentation" / f"{name}.txt").write_text("".join(f"{i}\n" for i in ids))
    return root


def make_sbd(root: Path, masks: Mapping[str, Mask], *, noval: Sequence[str] = ()) -> Path:
    """An SBD of these masks below the source folder `root`; all are of its train list. `noval` is a list of a sample."""
    folder = root / "benchmark_RELEASE" / "dataset"
    for kind in ("img", "cls"):
        (folder / kind).mkdir(parents=True)
    for name, mask in masks.items():
        Image.new("RGB", mask.shape[::-1], (90, 90, 90)).save(folder / "img" / f"{name}.jpg")
        savemat(folder / "cls" / f"{name}.mat", {"GTcls": {"Segmentation": mask, "Boundaries": np.zeros(3)}})
    (folder / "train.txt").write_text("".join(f"{name}\n" for name in masks))
    (folder / "val.txt").write_text("")
    if noval:
        (root / "train_noval.txt").write_text("".join(f"{name}\n" for name in noval))
    return root


class Nameless:
    """All 12,031 official images without a pixel: columns as the benchmark's items say."""

    columns: Mapping[str, ArraySpec] = {
        "pixels": ArraySpec((21,), "int32"),
        "cells": ArraySpec((21,), "int32"),
        "lists": ArraySpec((3,)),
    }
    facts: Mapping[str, int] = {}

    def __init__(self) -> None:
        self.names = sorted(official("vtna"))
        items = [item for fold in range(4) for item in {*benchmark_items(fold), *hsnet_items(fold)}]
        self._shown: dict[str, list[int]] = {}
        for item in items:
            self._shown.setdefault(item.image, []).append(item.cls)

    def picture(self, index: int) -> Picture:
        name = self.names[index]
        pixels = np.zeros(21, np.int32)
        pixels[self._shown.get(name, [1 + index % 20])] = 5000
        lists = np.array([name in official(letter) for letter in "tvn"], np.uint8)
        columns: Arrays = {"pixels": pixels, "cells": pixels // 1000, "lists": lists}
        return Picture(b"x", b"x", columns)


def write_nameless(folder: Path) -> Path:
    """The store of `Nameless`, below `folder`."""
    write_gallery(folder / "voc.zarr", Nameless())
    return folder / "voc.zarr"


def decode(data: bytes) -> Mask:
    """The values of a mask's PNG."""
    return np.array(Image.open(io.BytesIO(data)))
