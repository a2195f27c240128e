"""The built-in VOC and SBD: the official layout, classes that colour does not tell, and the same bytes each time."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from pipeline.download.samples import sbd, voc2012
from pipeline.download.samples.voc_scenes import CLASSES, draw_scene, with_void
from pipeline.errors import UserError
from pipeline.manifest import digest_tree

SMALL = {"train": 1, "val": 2}


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voc2012")
    voc2012.generate(folder, SMALL, 0)
    return folder / "VOCdevkit" / "VOC2012"


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sbd")
    sbd.generate(folder, {"more": 2}, 0)
    return folder


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_the_layout_is_voc_s(voc: Path) -> None:
    lists = {kind: lines(voc / "ImageSets" / "Segmentation" / f"{kind}.txt") for kind in ("train", "val", "trainval")}
    assert [len(names) for names in lists.values()] == [20, 40, 60]
    assert lists["trainval"] == sorted(lists["train"] + lists["val"])
    for kind, end in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
        assert sorted(path.name for path in (voc / kind).iterdir()) == [f"{name}.{end}" for name in lists["trainval"]]


def test_pictures_are_small_and_not_all_of_one_size(voc: Path) -> None:
    sizes = set()
    for path in (voc / "JPEGImages").iterdir():
        with Image.open(path) as opened:
            sizes.add(opened.size)
    assert len(sizes) > 1
    assert all(64 <= side <= 80 for size in sizes for side in size)


def test_masks_are_palettes_with_void_around_one_or_two_objects(voc: Path) -> None:
    for number, name in enumerate(lines(voc / "ImageSets" / "Segmentation" / "val.txt")):
        with Image.open(voc / "SegmentationClass" / f"{name}.png") as opened:
            assert opened.mode == "P"
            assert opened.getpalette()[3:9] == [128, 0, 0, 0, 128, 0]  # aeroplane and bicycle, as VOC colours them
            values = set(np.unique(np.array(opened)).tolist())
        assert {0, 255, 1 + number % CLASSES} <= values
        assert len(values - {0, 255}) <= 2


def test_void_lies_on_both_sides_of_a_border() -> None:
    mask = np.array([[0, 0, 5, 5, 5], [0, 0, 5, 5, 5]], np.uint8)
    assert with_void(mask).tolist() == [[0, 255, 255, 5, 5]] * 2


def test_colour_does_not_tell_the_class() -> None:
    means = []
    for cls in range(1, CLASSES + 1):
        scenes = [draw_scene(0, f"test_{cls}_{i}", cls) for i in range(25)]
        means.append([scene.image[scene.mask == cls].mean(axis=0) for scene in scenes])
    spread = np.array(means)  # (class, picture, channel)
    assert spread.mean(axis=1).std(axis=0).max() < 0.35 * spread.std(axis=1).mean()


def test_a_fold_holds_all_shapes_and_textures_and_no_class_comes_twice() -> None:
    looks = {cls: ((cls - 1) % 5, ((cls - 1) // 5 + (cls - 1) % 5) % 4) for cls in range(1, CLASSES + 1)}
    assert len(set(looks.values())) == CLASSES
    for fold in range(4):
        shapes, textures = zip(*(looks[5 * fold + j] for j in range(1, 6)), strict=True)
        assert (set(shapes), set(textures)) == (set(range(5)), set(range(4)))


def test_the_layout_is_sbd_s(voc: Path, more: Path) -> None:
    root = more / "benchmark_RELEASE" / "dataset"
    train, val, noval = lines(root / "train.txt"), lines(root / "val.txt"), lines(more / "train_noval.txt")
    assert sorted(path.stem for path in (root / "cls").iterdir()) == sorted(train + val)
    assert (len(train), len(val), len(noval)) == (60, 20, 40)
    assert set(noval) == set(train) - set(lines(voc / "ImageSets" / "Segmentation" / "val.txt"))


def test_sbd_repeats_voc_s_pictures_with_masks_of_its_own(voc: Path, more: Path) -> None:
    root = more / "benchmark_RELEASE" / "dataset"
    assert (root / "img/val_000003.jpg").read_bytes() == (voc / "JPEGImages/val_000003.jpg").read_bytes()
    with Image.open(voc / "SegmentationClass" / "val_000003.png") as opened:
        ours = np.array(opened)
    theirs = loadmat(root / "cls" / "val_000003.mat")["GTcls"][0, 0]["Segmentation"]
    assert (theirs.dtype, 255 in theirs) == (np.uint8, False)
    assert (ours == theirs)[ours != 255].all()


def test_the_same_parameters_and_seed_give_the_same_bytes(voc: Path, more: Path, tmp_path: Path) -> None:
    for name, seed in (("same", 0), ("other", 1)):
        voc2012.generate(tmp_path / name, SMALL, seed)
        sbd.generate(tmp_path / f"{name}-sbd", {"more": 2}, seed)
    assert digest_tree(tmp_path / "same") == digest_tree(voc.parent.parent) != digest_tree(tmp_path / "other")
    assert digest_tree(tmp_path / "same-sbd") == digest_tree(more) != digest_tree(tmp_path / "other-sbd")


def test_the_pictures_are_those_of_every_other_machine() -> None:
    # Before they are encoded: a JPEG's bytes belong to its library.
    drawn = [draw_scene(0, f"val_{number + 1:06d}", 1 + number) for number in range(CLASSES)]
    data = b"".join(scene.image.tobytes() + scene.mask.tobytes() for scene in drawn)
    assert hashlib.sha256(data).hexdigest() == "8dd800073aa59dbf5a4c50952209c3d3ee3ed96ae2b0efc21e733da90b93da45"


def test_a_misspelt_parameter_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown key 'vall'; did you mean 'val'"):
        voc2012.generate(tmp_path, {"vall": 1}, 0)
