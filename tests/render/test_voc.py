"""The gallery of VOC and SBD: masks by index, lists, and what a user may have wrong on disk."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pipeline.errors import UserError
from pipeline.gallery import GalleryStore, write_gallery
from pipeline.render.items import benchmark_items
from pipeline.render.renderer import make_gallery
from pipeline.render.voc import VocGallery, gallery
from pipeline.render.voc_view import read_view
from tests.render.vocs import decode, make_sbd, make_voc

MASK = np.array([[0, 3, 255, 20], [0, 3, 3, 0]], np.uint8)
OTHER = np.array([[7, 7, 0]], np.uint8)


def one(root: Path, mask: np.ndarray = MASK) -> dict[str, Path]:
    return {"voc2012": make_voc(root, {"a": mask}, val=["a"])}


def masks(found: VocGallery) -> dict[str, list[list[int]]]:
    return {name: decode(found.picture(i).mask).tolist() for i, name in enumerate(found.names)}


def test_images_and_masks_stay_as_found(tmp_path: Path) -> None:
    sources = one(tmp_path)
    picture = gallery(sources=sources).picture(0)
    folder = sources["voc2012"] / "VOCdevkit" / "VOC2012"
    assert picture.image == (folder / "JPEGImages" / "a.jpg").read_bytes()
    assert picture.mask == (folder / "SegmentationClass" / "a.png").read_bytes()
    assert decode(picture.mask).tolist() == MASK.tolist()  # indices, not the palette's colours


def test_each_class_is_counted_and_void_is_not(tmp_path: Path) -> None:
    columns = gallery(sources=one(tmp_path), grid=2).picture(0).columns
    assert {cls: int(n) for cls, n in enumerate(columns["pixels"]) if n} == {0: 3, 3: 3, 20: 1}
    assert {cls: int(n) for cls, n in enumerate(columns["cells"]) if n} == {0: 1, 3: 1}  # of the pixels (1, 1), (1, 3)
    assert columns["lists"].tolist() == [0, 1, 0]


def test_voc_s_masks_come_before_sbd_s_and_val_is_no_training_image(tmp_path: Path) -> None:
    voc = make_voc(tmp_path / "voc", {"b": MASK, "d": MASK}, train=["b"], val=["d"])
    sbd = make_sbd(tmp_path / "sbd", dict.fromkeys("abcd", OTHER), noval=["a", "b", "d"])
    found = gallery(sources={"voc2012": voc, "sbd": sbd})
    assert masks(found) == {"a": OTHER.tolist(), "b": MASK.tolist(), "c": OTHER.tolist(), "d": MASK.tolist()}
    assert dict(found.facts) == {"train": 1, "val": 1, "noval": 2, "more": 1, "sbd_masks": 2, "missing": 0}
    lists = {name: found.picture(i).columns["lists"].tolist() for i, name in enumerate(found.names)}
    assert lists == {"a": [0, 0, 1], "b": [1, 0, 1], "c": [0, 0, 0], "d": [0, 1, 0]}


def test_sbd_s_matlab_masks_come_back_as_they_were(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(0, 21, (31, 47)).astype(np.uint8)
    voc = make_voc(tmp_path / "voc", {"v": MASK}, val=["v"])
    found = gallery(sources={"voc2012": voc, "sbd": make_sbd(tmp_path / "sbd", {"s": mask})})
    assert masks(found)["s"] == mask.tolist()


def test_without_sbd_voc_alone_serves_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gallery(sources=one(tmp_path)).facts["sbd_masks"] == 0
    assert capsys.readouterr().out == "no SBD: the training lists hold VOC's own train images alone\n"


def test_an_image_that_is_not_on_disk_is_left_out_or_an_error(tmp_path: Path) -> None:
    voc = make_voc(tmp_path, {"a": MASK}, val=["a", "b", "c"])
    found = make_gallery("voc", sources={"voc2012": voc}, parameters={})
    assert (found.names, found.facts["missing"]) == (["a"], 2)
    with pytest.raises(UserError, match=r"the lists' image 'b' and 1 more or its mask is not on disk.*missing=skip"):
        gallery(sources={"voc2012": voc}, missing="fail")


def test_a_part_of_the_official_lists_lacks_the_rest(tmp_path: Path) -> None:
    voc = make_voc(tmp_path, {"2007_000033": MASK}, val=["2007_000033"])
    assert gallery(sources={"voc2012": voc}).facts["missing"] == 1449 + 1464 - 1
    sbd = make_sbd(tmp_path / "sbd", {"2008_000008": OTHER, "2007_000042": OTHER})
    found = gallery(sources={"voc2012": voc, "sbd": sbd})
    assert found.names == ["2007_000033", "2007_000042", "2008_000008"]
    assert (found.facts["missing"], found.facts["val"], found.facts["noval"]) == (1449 + 10582 - 3, 2, 1)


def rgb(root: Path) -> None:
    path = root / "VOCdevkit/VOC2012/SegmentationClass/a.png"
    Image.open(path).convert("RGB").save(path)


def wide(root: Path) -> None:
    Image.new("RGB", (9, 9)).save(root / "VOCdevkit/VOC2012/JPEGImages/a.jpg")


def torn(root: Path) -> None:
    path = root / "VOCdevkit/VOC2012/SegmentationClass/a.png"
    path.write_bytes(path.read_bytes()[:30])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (rgb, "mode RGB, not a palette of class ids: unpack VOC's own"),
        (wide, r"differ in size \(9x9 and 4x2 pixels\)"),
        (torn, "cannot be read"),
    ],
)
def test_a_wrong_mask_is_one_line(tmp_path: Path, spoil, message: str) -> None:
    sources = one(tmp_path)
    spoil(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        gallery(sources=sources).picture(0)
    assert "\n" not in str(caught.value)


def test_a_class_id_above_20_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds the class id 21: VOC has 0"):
        gallery(sources=one(tmp_path, np.full((3, 3), 21, np.uint8))).picture(0)


def test_sbd_without_masks_is_one_line(tmp_path: Path) -> None:
    sources = one(tmp_path) | {"sbd": make_sbd(tmp_path / "sbd", {})}
    with pytest.raises(UserError, match=r"SBD without masks: .*cls holds no \.mat file; unpack benchmark\.tgz again"):
        gallery(sources=sources)


def test_a_strange_matlab_file_is_one_line(tmp_path: Path) -> None:
    sources = one(tmp_path) | {"sbd": make_sbd(tmp_path / "sbd", {"s": OTHER})}
    savemat(tmp_path / "sbd/benchmark_RELEASE/dataset/cls/s.mat", {"LabelMap": OTHER})
    with pytest.raises(UserError, match=r"s\.mat is no mask of SBD"):
        gallery(sources=sources).picture(1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"missing": "skp"}, "did you mean 'skip'"), ({"grid": 1}, "grid=1"), ({"grit": 8}, "did you mean 'grid'")],
)
def test_a_wrong_parameter_is_one_line(tmp_path: Path, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_gallery("voc", sources=one(tmp_path), parameters=parameters)


def test_a_voc_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no JPEGImages: unpack VOC 2012 again"):
        gallery(sources={"voc2012": tmp_path})
    with pytest.raises(UserError, match="needs the source 'voc2012'"):
        gallery(sources={})
    with pytest.raises(UserError, match="holds no image of its lists"):
        gallery(sources={"voc2012": make_voc(tmp_path, {}, val=["a"])})


@pytest.mark.mirror
def test_the_mirror_s_part_of_voc(mirror: Path, tmp_path: Path) -> None:
    with tarfile.open(mirror / "voc" / "VOCtrainval_11-May-2012-subset.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    found = gallery(sources={"voc2012": tmp_path})
    assert dict(found.facts) == {"train": 233, "val": 264, "noval": 0, "more": 0, "sbd_masks": 0, "missing": 2416}
    write_gallery(tmp_path / "voc.zarr", found)
    view = read_view(tmp_path / "voc.zarr")
    shown = {name: np.flatnonzero(row[1:]) + 1 for name, row in zip(view.names, view.pixels, strict=True)}
    assert [shown[name].tolist() for name in ("2007_000032", "2007_000033", "2007_000042")] == [[1, 15], [1], [19]]
    values = {int(value) for i in range(40) for value in np.unique(GalleryStore(tmp_path / "voc.zarr").picture(i)[1])}
    assert values <= {*range(21), 255}
    assert 255 in values
    assert view.published
    # The filter found anew is the benchmark's, but for the few items that rounding decided.
    large = (view.cells >= 3) & view.on("val")[:, None]
    listed = {item for fold in range(4) for item in benchmark_items(fold) if item.image in set(view.names)}
    assert len(set(view.items(large, range(1, 21))) ^ listed) <= 5
