"""COCO as a gallery: masks as the script of few-shot papers fills them, from the official annotations."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.gallery import GalleryStore, write_gallery
from pipeline.render.coco import gallery
from pipeline.render.coco_folds import base, novel
from tests.render.cocos import annotation, make_coco, square

LAST = 90


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of val: image 2 shows objects one over the other, image 3 one in two parts, image 7 a crowd alone."""
    val = [
        annotation(2, 1, square(0, 0, 20)),
        annotation(2, LAST, square(10, 10, 20)),
        annotation(3, 13, square(0, 0, 8), square(20, 20, 12)),
        annotation(3, 13, [0, 0, 9, 9]),
        annotation(7, 1, crowd=True),
    ]
    return make_coco(tmp_path_factory.mktemp("coco"), {"train": [annotation(5, 2, square(1, 1, 5))], "val": val})


def stored(source: Path, path: Path, **choices: object) -> GalleryStore:
    write_gallery(path / "images.zarr", gallery(sources={"coco2014": source}, **choices))  # type: ignore[arg-type]
    return GalleryStore(path / "images.zarr")


def test_annotated_images_alone_are_held_train_before_val(source: Path, tmp_path: Path) -> None:
    store = stored(source, tmp_path)
    assert [name[-2:] for name in store.names] == ["05", "02", "03", "07"]
    assert store.names[1] == "val2014/COCO_val2014_000000000002"
    assert store.columns["part"].tolist() == [0, 1, 1, 1]


def test_classes_are_numbered_by_category_and_later_objects_cover_earlier_ones(source: Path, tmp_path: Path) -> None:
    mask = stored(source, tmp_path).picture(1)[1]
    expected = np.zeros((40, 48), np.uint8)
    expected[:20, :20] = 1
    expected[10:30, 10:30] = 80
    assert (mask == expected).all()
    assert stored(source, tmp_path / "again").columns["pixels"][1, [1, 80]].tolist() == [300, 400]


@pytest.mark.parametrize(("first_only", "pixels"), [(True, 64), (False, 64 + 144)])
def test_the_first_polygon_of_an_object_counts_alone_unless_asked(
    source: Path, tmp_path: Path, first_only: bool, pixels: int
) -> None:
    store = stored(source, tmp_path, first_polygon_only=first_only)
    assert store.columns["pixels"][2, 12] == pixels


def test_a_crowd_leaves_no_mark(source: Path, tmp_path: Path) -> None:
    assert stored(source, tmp_path).picture(3)[1].max() == 0


def test_folds_hold_out_every_fourth_class() -> None:
    assert novel(1) == (2, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42, 46, 50, 54, 58, 62, 66, 70, 74, 78)
    for fold in range(4):
        assert sorted(novel(fold) + base(fold)) == list(range(1, 81))
    with pytest.raises(UserError, match="folds 0 to 3"):
        novel(4)


def test_what_is_missing_or_damaged_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs the source 'coco2014'"):
        gallery(sources={})
    with pytest.raises(UserError, match="holds no annotated image"):
        gallery(sources={"coco2014": tmp_path})
    root = make_coco(tmp_path / "coco", {"val": [annotation(1, 1, square(0, 0, 4)), annotation(2, 1, square(0, 0, 4))]})
    (root / "val2014" / "COCO_val2014_000000000002.jpg").unlink()
    assert len(gallery(sources={"coco2014": root}).names) == 1
    with pytest.raises(UserError, match=r"000002.jpg is not on disk: unpack COCO again, or set missing=skip"):
        gallery(sources={"coco2014": root}, missing="fail")
    with pytest.raises(UserError, match="missing=lost"):
        gallery(sources={"coco2014": root}, missing="lost")
    path = root / "annotations" / "instances_val2014.json"
    held = json.loads(path.read_text())
    held["images"][0]["width"] = 50
    path.write_text(json.dumps(held))
    with pytest.raises(UserError, match="is 48x40, its annotation says 50x40 pixels"):
        gallery(sources={"coco2014": root}).picture(0)
    for text in ("{", json.dumps({**held, "annotations": [{"image_id": 1}]})):
        path.write_text(text)
        with pytest.raises(UserError, match="is not COCO's annotation of objects"):
            gallery(sources={"coco2014": root})
    path.write_text(json.dumps({**held, "categories": held["categories"][40:]}))
    with pytest.raises(UserError):
        gallery(sources={"coco2014": root})


@pytest.mark.mirror
def test_a_part_of_the_real_one_is_read_from_its_own_annotations(mirror: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(mirror / "coco" / "COCO2014-coco128-subset.zip") as archive:
        archive.extractall(tmp_path)
    found = gallery(sources={"coco2014": tmp_path})
    assert found.facts == {"train": 83, "train_missing": 0, "val": 43, "val_missing": 0}
    picture = found.picture(found.names.index("val2014/COCO_val2014_000000000042"))
    assert picture.columns["pixels"][17] > 50000  # the dog (category 18) is annotated with 53,482 square pixels
