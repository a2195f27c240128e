"""The built-in COCO: the official layout, polygons that give the masks back, and the same bytes each time."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from pipeline.download.samples import coco2014
from pipeline.download.samples.outlines import outlines
from pipeline.download.samples.voc_scenes import draw_scene
from pipeline.manifest import digest_tree
from pipeline.render.coco import Outline, filled, gallery
from pipeline.render.coco_folds import novel

SMALL = {"train": 1, "val": 1}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco2014")
    coco2014.generate(folder, SMALL, 0)
    return folder


def test_the_gallery_reads_it(source: Path) -> None:
    found = gallery(sources={"coco2014": source})
    assert found.facts == {"train": 20, "train_missing": 0, "val": 20, "val_missing": 0}
    assert found.names[-1] == "val2014/COCO_val2014_000000000020"


def test_every_fold_has_five_classes_with_pictures(source: Path) -> None:
    numbers = {annotation["category_id"] for annotation in annotations(source)}
    assert numbers == set(range(1, 22)) - {12}  # no category has the official number 12
    classes = {coco2014.category(cls) for cls in range(1, 6)}
    assert classes == set(novel(0)[:3]) | {number + 1 for number in novel(0)[3:5]}


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_outlines_give_the_objects_back_with_their_holes_filled(name: str) -> None:
    mask = draw_scene(0, name, 5).mask  # a ring
    for cls in np.unique(mask)[1:]:
        back = filled((mask.shape[1], mask.shape[0]), [Outline(1, np.array(p)) for p in outlines(mask == cls)])
        assert (back == ndimage.binary_fill_holes(mask == cls)).all()


def test_parts_are_ordered_by_size_and_specks_left_out() -> None:
    mask = np.zeros((12, 12), np.bool_)
    mask[0, 0] = mask[2:4, 2:4] = mask[6:11, 0:5] = True
    found = outlines(mask)
    assert [min(polygon[1::2]) for polygon in found] == [6, 2]
    assert sorted(zip(found[1][::2], found[1][1::2], strict=True)) == [(2, 2), (2, 3), (3, 2), (3, 3)]


def test_the_same_seed_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    coco2014.generate(tmp_path, SMALL, 0)
    assert digest_tree(tmp_path) == digest_tree(source)


def annotations(source: Path) -> list[dict[str, int]]:
    found: list[dict[str, int]] = json.loads((source / "annotations" / "instances_train2014.json").read_text())[
        "annotations"
    ]
    return found
