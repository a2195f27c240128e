"""Splits of images that recur are exported as lists of their names."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.export.__main__ import main
from pipeline.gallery import write_gallery
from pipeline.manifest import Manifest, write_json
from pipeline.render.voc import gallery
from pipeline.render.write import write_store
from pipeline.table import Table
from tests.render.vocs import make_voc

ROWS = {
    "supports": np.array([[1, 2], [2, -1]], np.int32),
    "queries": np.array([[0], [1]], np.int32),
    "classes": np.array([[3], [20]], np.int32),
}


@pytest.fixture
def listed(project: Path) -> Path:
    """The store of two episodes from the images a, b and c; the second has one support."""
    names = ["a", "b", "c"]
    voc = make_voc(project / "raw", dict.fromkeys(names, np.array([[3, 20]], np.uint8)), val=names)
    write_gallery(project / "voc.zarr", gallery(sources={"voc2012": voc}))
    table = Table(project / "voc.zarr", lambda start, stop: {k: v[start:stop] for k, v in ROWS.items()}, 2, 2, 1, 1)
    path = project / "data/episodes/sample/pascal5i-fold0/oslsm.zarr"
    (project / "work").mkdir()
    path.parent.mkdir(parents=True)
    write_store(table, 2, work=project / "work", recipe="", threads=1).rename(path)
    manifest = Manifest(kind="store", digest="sha256:12", recipe={}, code="sha256:0", complete=False)
    write_json(path.with_suffix(".json"), manifest.model_dump())
    return path


def test_a_list_names_classes_and_images(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["export", "pascal5i-fold0/oslsm", "--output", "out"])
    main()
    assert Path("out/oslsm/episodes.tsv").read_text().split("\n") == [
        "episode\tclass\tquery\tsupport1\tsupport2",
        "0\t3\ta\tb\tc",
        "1\t20\tb\tc\t",
        "",
    ]
    assert json.loads(Path("out/oslsm/export.json").read_text())["complete"] is False


def test_its_pictures_are_not_exported(listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["export", "pascal5i-fold0/oslsm", "--format", "png", "--output", "out"])
    with pytest.raises(UserError, match=r"--format png: .* names images that recur, .*; choose list"):
        main()


@pytest.mark.usefixtures("clutter")
def test_pictures_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["export", "clutter-n32/test_one_shot", "--format", "list", "--output", "out"])
    with pytest.raises(UserError, match=r"--format list: .* holds its own pictures; choose npy, hdf5 or png"):
        main()
