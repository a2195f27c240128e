"""Every format gives back what the store holds."""

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.episodes import Arrays, EpisodeStore
from pipeline.errors import UserError
from pipeline.export.hdf5 import write_hdf5
from pipeline.export.npy import write_npy
from pipeline.export.png import palette, write_png
from pipeline.export.split import ExportedSplit

ABOUT = {"dataset": "clutter-n32", "complete": False, "episodes": 45}


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_npy_is_read_as_the_authors_read_theirs(clutter: Path, pictures: Arrays, tmp_path: Path) -> None:
    write_npy(tmp_path / "out", ExportedSplit(EpisodeStore(clutter), None), ABOUT)
    images, masks, targets = (
        np.load(tmp_path / "out" / f"{name}.npy", mmap_mode="r") for name in ("images", "segmentation", "targets")
    )
    assert (images.shape, masks.shape, targets.shape) == ((45, 12, 10, 3), (45, 12, 10, 1), (45, 5, 7, 3))
    assert images.dtype == masks.dtype == targets.dtype == np.uint8
    assert images.flags.c_contiguous
    assert np.array_equal(images, pictures["query_images"][:, 0])
    assert np.array_equal(masks[..., 0], pictures["query_masks"][:, 0])
    assert np.array_equal(targets, pictures["support_images"][:, 0])


def test_npy_of_oracle_data(render, traces: Arrays, tmp_path: Path) -> None:
    write_npy(tmp_path / "out", ExportedSplit(EpisodeStore(render("a/b-instances", traces)), 22), ABOUT)
    for name, array in traces.items():
        found = np.load(tmp_path / "out" / f"{name}.npy")
        assert found.dtype == array.dtype
        assert np.array_equal(found, array[:22])


def test_npy_is_refused_where_it_cannot_fit(clutter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=28_259))
    # 45 episodes of 12*10*4 + 5*7*4 + 2*4 bytes
    with pytest.raises(UserError, match=r"takes 28,260 bytes, but its disk has 28,259 left"):
        write_npy(tmp_path / "out", ExportedSplit(EpisodeStore(clutter), None), ABOUT)


def test_hdf5_holds_arrays_and_attributes(clutter: Path, pictures: Arrays, tmp_path: Path) -> None:
    split = ExportedSplit(EpisodeStore(clutter), None)
    write_hdf5(tmp_path / "out.h5", split, ABOUT)
    with h5py.File(tmp_path / "out.h5") as file:
        assert dict(file.attrs) == ABOUT
        assert set(file) == set(split.fields)
        assert np.array_equal(file["images"][:], pictures["query_images"][:, 0])
        assert np.array_equal(file["segmentation"][..., 0], pictures["query_masks"][:, 0])
        assert np.array_equal(file["targets"][44], pictures["support_images"][44, 0])
        assert np.isnan(file["centres"][44]).all()


def test_equal_exports_have_equal_bytes(clutter: Path, tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_hdf5(tmp_path / name, ExportedSplit(EpisodeStore(clutter), None), ABOUT)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_png_of_binary_masks_is_black_and_white(clutter: Path, pictures: Arrays, tmp_path: Path) -> None:
    write_png(tmp_path / "out", ExportedSplit(EpisodeStore(clutter), None), ABOUT)
    for folder in ("images", "segmentation", "targets", "target_segmentation"):
        names = sorted(path.name for path in (tmp_path / "out" / folder).iterdir())
        assert names == [f"{episode:06}.png" for episode in range(45)]
    for episode in (0, 19, 20, 44):
        file = f"{episode:06}.png"
        assert np.array_equal(pixels(tmp_path / "out/images" / file), pictures["query_images"][episode, 0])
        assert np.array_equal(pixels(tmp_path / "out/targets" / file), pictures["support_images"][episode, 0])
        assert np.array_equal(pixels(tmp_path / "out/segmentation" / file), 255 * pictures["query_masks"][episode, 0])
    lines = (tmp_path / "out" / "centres.tsv").read_text().splitlines()
    assert (lines[0], lines[45], len(lines)) == ("episode\tx\ty", "44\tnan\tnan", 46)


def test_png_of_index_masks_has_their_indices(render, ways: Arrays, tmp_path: Path) -> None:
    write_png(tmp_path / "out", ExportedSplit(EpisodeStore(render("omniglot_5way/test", ways)), 21), ABOUT)
    assert len(list((tmp_path / "out" / "support_masks").iterdir())) == 3 * 21
    for k in range(3):
        assert np.array_equal(pixels(tmp_path / f"out/support_masks/000020-{k}.png"), ways["support_masks"][20, k])
    image = Image.open(tmp_path / "out" / "query_masks" / "000003-1.png")
    assert image.mode == "P"
    assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]


def test_png_of_labels_has_their_numbers(collages: tuple[Path, Arrays], tmp_path: Path) -> None:
    store, stored = collages
    write_png(tmp_path / "out", ExportedSplit(EpisodeStore(store), None), ABOUT)
    for episode in (0, 24):
        labels, target = stored["query_labels"][episode, 0], stored["query_targets"][episode, 0]
        assert np.array_equal(pixels(tmp_path / f"out/labels/{episode:06}.png"), labels)
        assert np.array_equal(pixels(tmp_path / f"out/segmentation/{episode:06}.png"), 255 * (labels == target))
    lines = (tmp_path / "out" / "target_label.tsv").read_text().splitlines()
    assert lines[:2] == ["episode\ttarget_label", f"0\t{stored['query_targets'][0, 0]}"]


def test_the_palette_is_that_of_pascal_voc() -> None:
    colours = np.frombuffer(palette(), np.uint8).reshape(256, 3)
    known = {0: (0, 0, 0), 1: (128, 0, 0), 3: (128, 128, 0), 8: (64, 0, 0), 20: (0, 64, 128), 255: (224, 224, 192)}
    assert {index: tuple(colours[index].tolist()) for index in known} == known


def test_png_of_oracle_data_has_16_bits_and_tables(render, traces: Arrays, tmp_path: Path) -> None:
    write_png(tmp_path / "out", ExportedSplit(EpisodeStore(render("a/b-instances", traces)), None), ABOUT)
    image = Image.open(tmp_path / "out" / "instances" / "000024.png")
    assert image.mode == "I;16"
    assert np.array_equal(np.asarray(image), traces["instances"][24, 0])
    boxes = np.loadtxt(tmp_path / "out" / "boxes.tsv", skiprows=1, dtype=int)
    assert np.array_equal(boxes[:, 1:].reshape(25, 3, 4), traces["boxes"])
    assert (tmp_path / "out" / "boxes.tsv").read_text().startswith("episode\t0.0\t0.1\t0.2\t0.3\t1.0")
    assert (tmp_path / "out" / "target.tsv").read_text().startswith(f"episode\ttarget\n0\t{traces['target'][0]}\n")
