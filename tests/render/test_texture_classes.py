"""Classification by patches: the gallery of classes, and which images a patch is tried on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.download.samples.dtd import generate
from pipeline.errors import UserError
from pipeline.gallery import GalleryStore, write_gallery
from pipeline.render.texture_classes import PATCH, TEST, TRAIN, gallery, renderer
from pipeline.table import Table

SIZES = {"side": 64, "patch": 8, "patches": 3, "images": 6}


@pytest.fixture(scope="module")
def dtd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dtd")
    generate(folder, {"categories": 6, "textures": 5, "side": 64}, 0)
    return folder


@pytest.fixture(scope="module")
def store(dtd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classes") / "images.zarr"
    write_gallery(path, gallery(sources={"dtd": dtd}, **SIZES))
    return path


def episodes(store: Path, split: str) -> tuple[Table, dict[str, np.ndarray], GalleryStore]:
    drawn = renderer(split=split, sources={"texture_classes": store}, side=64, patch=8)
    return drawn, dict(drawn.shard(0, drawn.length)), GalleryStore(store)


def test_five_classes_have_as_many_images_and_patches(store: Path) -> None:
    columns = GalleryStore(store).columns
    for part, count in ((TRAIN, 3), (TEST, 2), (PATCH, 3)):
        assert np.bincount(columns["classes"][columns["part"] == part]).tolist() == [0, *[count] * 5]


def test_a_patch_is_a_crop_of_a_training_image(store: Path) -> None:
    found = GalleryStore(store)
    for index in np.flatnonzero(found.columns["part"] == PATCH):
        name, _, place = found.names[index].partition("@")
        top, left = map(int, place.split(",")[:2])
        source = found.names.index(name)
        assert found.columns["part"][source] == TRAIN
        pixels, mask = found.picture(int(index))
        assert np.array_equal(pixels, found.picture(source)[0][top : top + 8, left : left + 8])
        assert (mask == found.columns["classes"][source]).all()


def test_patches_are_tried_on_other_images_half_of_them_of_their_class(store: Path) -> None:
    drawn, rows, found = episodes(store, "test")
    classes, parts = found.columns["classes"], found.columns["part"]
    assert drawn.length == 15 * 4
    assert (rows["classes"][:, 0] == classes[rows["supports"][:, 0]]).all()
    assert (parts[rows["queries"]] == (TRAIN, TEST)).all()
    of_class = classes[rows["queries"]] == rows["classes"]
    assert (of_class[:, 0] == of_class[:, 1]).all()
    assert len(set(rows["supports"][:15, 0].tolist())) == 15
    for patch in range(15):
        own = slice(patch, None, 15)
        assert (rows["supports"][own] == rows["supports"][patch]).all()
        assert of_class[own].mean() == 0.5
        source = found.names.index(found.names[int(rows["supports"][patch, 0])].partition("@")[0])
        assert source not in rows["queries"][own]
        seen = rows["queries"][own, 0].tolist()
        assert len(seen) == len(set(seen))


def test_whole_images_support_with_as_many_of_other_classes(store: Path) -> None:
    drawn, rows, found = episodes(store, "whole")
    classes, parts = found.columns["classes"], found.columns["part"]
    assert (drawn.length, drawn.ways, rows["supports"].shape) == (20, 6, (20, 6))
    assert (parts[rows["supports"]] == TRAIN).all()
    assert (parts[rows["queries"]] == TEST).all()
    assert ((classes[rows["supports"]] == rows["classes"]).sum(1) == 3).all()
    assert (classes[rows["queries"]] == rows["classes"]).mean() == 0.5
    assert all(len(set(row.tolist())) == 6 for row in rows["supports"])


def test_own_images_take_the_place_of_dtd(dtd: Path, tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).mkdir()
        for number in range(4):
            Image.new("RGB", (70, 80), (number, 0, 0)).save(tmp_path / name / f"{number}.png")
    made = gallery(sources={"dtd": dtd}, folder=str(tmp_path), **SIZES)
    assert made.names[:4] == ["a/0.png", "a/1.png", "a/2.png", "a/3.png"]
    (tmp_path / "a" / "0.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"the image .*0\.png cannot be read"):
        made.picture(0)
    (tmp_path / "b" / "0.png").unlink()
    with pytest.raises(UserError, match="5 classes of at least 3 images, but 5 of at least 4"):
        gallery(sources={"dtd": dtd}, folder=str(tmp_path), **SIZES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"folder": "nowhere"}, "texture_classes=nowhere: there is no such folder"), ({"patch": 65}, "patch=65")],
)
def test_mistakes(dtd: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        gallery(sources={"dtd": dtd}, **(SIZES | changes))  # type: ignore[arg-type]


def test_unknown_split(store: Path) -> None:
    with pytest.raises(UserError, match="no split 'train'"):
        renderer(split="train", sources={"texture_classes": store}, side=64, patch=8)
