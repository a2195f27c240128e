"""VOC 2012 and SBD as one gallery: all images that have a mask of classes, the masks of VOC before those of SBD.

This is what others call SegmentationClassAug, made from the official archives. Images and VOC's masks stay as found,
bit by bit; SBD's MATLAB files become grey PNGs. A list's image that is not on disk is left out, or an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.episodes import Arrays, ArraySpec
from pipeline.errors import UserError, nearest
from pipeline.gallery import Picture
from pipeline.render.grid_points import GRID, grid_points, pixels
from pipeline.render.voc_lists import official
from pipeline.render.voc_masks import read_matlab, read_palette

MISSING = ("skip", "fail")
LISTS = ("train", "val", "noval")
"""What the three places of the column `lists` say: of VOC's train, of VOC's val, of SBD's train_noval."""


class _Entry(NamedTuple):
    name: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class VocGallery:
    """The images, one after the other."""

    entries: Sequence[_Entry]
    lists: Mapping[str, frozenset[str]]
    facts: Mapping[str, int]
    grid: int
    columns: Mapping[str, ArraySpec]

    @property
    def names(self) -> Sequence[str]:
        """VOC's ids, `2007_000032`, in ascending order."""
        return [entry.name for entry in self.entries]

    def picture(self, index: int) -> Picture:
        """Image `index`, its mask, and what is counted of it."""
        name, image, path = self.entries[index]
        encoded, mask = read_matlab(path) if path.suffix == ".mat" else read_palette(path)
        _check_size(image, mask.shape[::-1])
        columns: Arrays = {
            "pixels": pixels(mask),
            "cells": grid_points(mask, self.grid),
            "lists": np.array([name in self.lists[kind] for kind in LISTS], np.uint8),
        }
        return Picture(image.read_bytes(), encoded, columns)


def gallery(*, sources: Mapping[str, Path], missing: str = "skip", grid: int = GRID) -> VocGallery:
    """All images of `sources["voc2012"]` and, where it is there, `sources["sbd"]`: folders of unpacked archives.

    `missing`: whether a list's image without file or mask is left out (`skip`) or an error (`fail`); where any image is
    of the official lists, these count as a whole. `grid` is the pixel distance of the small-object filter's points.
    """
    if missing not in MISSING:
        raise UserError(f"missing={missing}: an image that is not on disk can be left out or not; {_hint(missing)}")
    if grid < 2:
        raise UserError(f"grid={grid}: the points of the small-object filter lie at least 2 pixels apart")
    voc = _voc_folder(sources)
    sbd = _sbd_folder(sources["sbd"]) if "sbd" in sources else None
    if sbd is None:
        print("no SBD: the training lists hold VOC's own train images alone", flush=True)
    lists = _read_lists(voc, sbd, sources.get("sbd"))
    entries, absent = _find(voc, sbd, sorted(frozenset[str]().union(*lists.values())))
    if absent and missing == "fail":
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise UserError(
            f"the lists' image '{absent[0]}'{more} or its mask is not on disk: unpack it, or set pascal_missing=skip"
        )
    if not entries:
        raise UserError(f"{voc} holds no image of its lists: unpack VOC 2012 again")
    there = {entry.name for entry in entries}
    facts = {name: len(names & there) for name, names in lists.items()}
    facts |= {"sbd_masks": sum(entry.mask.suffix == ".mat" for entry in entries), "missing": len(absent)}
    columns = {name: ArraySpec((21,), "int32") for name in ("pixels", "cells")}
    return VocGallery(entries, lists, facts, grid, {**columns, "lists": ArraySpec((len(LISTS),))})


def _hint(word: str) -> str:
    return nearest(word, MISSING)


def _voc_folder(sources: Mapping[str, Path]) -> Path:
    if "voc2012" not in sources:
        raise UserError("the gallery 'voc' needs the source 'voc2012': add it in suite.yaml")
    folder = sources["voc2012"] / "VOCdevkit" / "VOC2012"
    for needed in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation/val.txt"):
        if not (folder / needed).exists():
            raise UserError(f"{folder} has no {needed}: unpack VOC 2012 again, or download it anew")
    return folder


def _sbd_folder(source: Path) -> Path:
    folder = source / "benchmark_RELEASE" / "dataset"
    if not any((folder / "cls").glob("*.mat")):
        raise UserError(
            f"SBD without masks: {folder}/cls holds no .mat file; unpack benchmark.tgz again, or leave SBD out"
        )
    return folder


def _read_lists(voc: Path, sbd: Path | None, source: Path | None) -> dict[str, frozenset[str]]:
    """Images of VOC's train and val and SBD's train_noval; `more`, SBD's others, never one of val.

    Of images of the official lists, these say what is of train_noval; of a sample's, a file of its own does.
    """
    lists = {kind: _ids(voc / "ImageSets" / "Segmentation" / f"{kind}.txt") for kind in ("train", "val")}
    if any(names & official("tv") for names in lists.values()):
        lists |= {"train": lists["train"] | official("t"), "val": lists["val"] | official("v")}
    lists |= {"noval": frozenset(), "more": frozenset()}
    if sbd is not None and source is not None:
        held = _ids(sbd / "train.txt") | _ids(sbd / "val.txt")
        known = official("na") if held & official("na") else frozenset[str]()
        noval = _ids(source / "train_noval.txt") | (known & official("n"))
        lists["noval"] = noval - lists["val"]
        lists["more"] = (held | known) - lists["val"] - noval
    return lists


def _ids(path: Path) -> frozenset[str]:
    return frozenset(path.read_text().split()) if path.is_file() else frozenset()


def _find(voc: Path, sbd: Path | None, names: Sequence[str]) -> tuple[list[_Entry], list[str]]:
    """What is on disk, and the names of what is not."""
    images = [(voc / "JPEGImages", ".jpg")] + ([(sbd / "img", ".jpg")] if sbd else [])
    masks = [(voc / "SegmentationClass", ".png")] + ([(sbd / "cls", ".mat")] if sbd else [])
    held = {folder: {path.name for path in folder.glob("*")} for folder, _ in [*images, *masks]}
    entries, absent = [], []
    for name in names:
        image, mask = (
            next((folder / (name + end) for folder, end in places if name + end in held[folder]), None)
            for places in (images, masks)
        )
        if image is None or mask is None:
            absent.append(name)
        else:
            entries.append(_Entry(name, image, mask))
    return entries, absent


def _check_size(image: Path, mask: tuple[int, ...]) -> None:
    try:
        with Image.open(image) as opened:
            size = opened.size
    except (OSError, UnidentifiedImageError) as error:
        raise UserError(f"the image {image} cannot be read ({error}): unpack VOC again") from None
    if size != mask:
        sizes = f"{size[0]}x{size[1]} and {mask[0]}x{mask[1]} pixels"
        raise UserError(f"the image {image} and its mask differ in size ({sizes}): unpack VOC again")
