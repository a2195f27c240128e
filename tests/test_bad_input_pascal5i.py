"""What a user may have wrong of VOC, SBD and weights, through the whole command: one line, exit code 2, nothing lost.

The commands run in this process; `test_bad_input.py` has those of a process of their own.
"""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from pipeline.closure import ROOT
from pipeline.episodes import EpisodeStore
from pipeline.errors import run
from pipeline.manifest import Manifest, read_manifest, write_json
from pipeline.plan import Plan
from pipeline.render.voc_view import read_view
from pipeline.settings import load_settings
from tests.render.vocs import make_sbd, make_voc

IMAGES = "data/episodes/sample/voc/images.json"
EPISODES = "data/episodes/sample/pascal5i-fold0/{}.json"
VOC, SBD = Path("data/raw/sample/voc2012"), Path("data/raw/sample/sbd")
MASKS, CLS = VOC / "VOCdevkit/VOC2012/SegmentationClass", SBD / "benchmark_RELEASE/dataset/cls"
SIDE = 96


def mask(cls: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    found = np.zeros((SIDE, SIDE), np.uint8)
    found[20:70, 20:70] = cls
    return found


def source(manifest: Path) -> None:
    """As `download` leaves it."""
    found = Manifest(kind="source", digest="sha256:0", recipe={}, code="", complete=False)
    write_json(manifest, found.model_dump())


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with seven images of every class in val and two in train, and two of class 1 in SBD."""
    project = tmp_path_factory.mktemp("voc") / "project"
    lists = {"val": [f"v{n}" for n in range(7)], "train": ["t0", "t1"]}
    named = {part: {f"{name}_{cls:02}": cls for name in names for cls in range(1, 21)} for part, names in lists.items()}
    masks = {name: mask(cls) for each in named.values() for name, cls in each.items()}
    make_voc(project / VOC, masks, train=[*named["train"]], val=[*named["val"]])
    make_sbd(project / SBD, {"s0_01": mask(1), "s1_01": mask(1)}, noval=["s0_01", "s1_01"])
    for folder in (VOC, SBD):
        source(project / folder.with_suffix(".json"))
    return project


@pytest.fixture
def project(voc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(voc, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    """By profile, with a folder of masks made elsewhere."""
    given = {"suites": "pascal5i", "pascal_masks": "masks"}
    return {name: Plan(load_settings(ROOT / "params.yaml", {"profile": name, **given})) for name in ("sample", "lite")}


@pytest.fixture
def stage(
    plans: dict[str, Plan], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run the command that makes an output, with some values of its job changed; its one line, or "" where it ends."""

    def make(output: str, **changes: Any) -> str:
        name = {"results": "evaluate", "data": "render"}[Path(output).parts[0]]
        job = plans["lite" if "/lite/" in output else "sample"].find(name, output).values.model_dump(mode="json")
        job |= {key: job[key] | value if isinstance(value, dict) else value for key, value in changes.items()}
        monkeypatch.setattr(sys, "argv", [name, "--job", json.dumps(job), "--output", output])
        with pytest.raises(SystemExit) as left:
            run(importlib.import_module(f"pipeline.{name}.__main__").main)
        lines = [line for line in capsys.readouterr().err.splitlines() if " episodes, " not in line]
        assert (left.value.code, len(lines)) == ((2, 1) if lines else (0, 0)), lines
        assert Path(output).exists() != bool(lines)
        return lines[0] if lines else ""

    return make


def test_a_coloured_mask(stage: Callable[..., str]) -> None:
    path = MASKS / "v0_01.png"
    kept = path.read_bytes()
    Image.open(path).convert("RGB").save(path)
    said = stage(IMAGES)
    assert f"the mask {path} is a picture of mode RGB, not a palette of class ids: unpack VOC's own" in said
    path.write_bytes(kept)
    assert stage(IMAGES) == ""


def test_a_class_that_voc_has_not(stage: Callable[..., str]) -> None:
    Image.fromarray(mask(21)).save(MASKS / "t1_20.png")
    assert f"{MASKS}/t1_20.png holds the class id 21: VOC has 0 (background), 1 to 20 and 255" in stage(IMAGES)


def test_an_image_of_a_list_that_is_not_there_is_left_out_or_refused_by_setting(stage: Callable[..., str]) -> None:
    (VOC / "VOCdevkit/VOC2012/JPEGImages/v3_07.jpg").unlink()
    said = stage(IMAGES, parameters={"missing": "fail"})
    assert "'v3_07' or its mask is not on disk: unpack it, or set pascal_missing=skip" in said
    assert stage(IMAGES) == ""
    counts = read_manifest(Path(IMAGES)).counts
    assert (counts["missing"], counts["val"]) == (1, 139)


def test_sbd_without_its_masks(stage: Callable[..., str]) -> None:
    for path in CLS.glob("*.mat"):
        path.unlink()
    assert f"SBD without masks: {CLS} holds no .mat file; unpack benchmark.tgz again, or leave SBD out" in stage(IMAGES)
    savemat(CLS / "s0_01.mat", {"GTcls": {"Segmentation": mask(1)}})
    assert stage(IMAGES) == ""


def test_more_supports_than_a_class_has_images(stage: Callable[..., str]) -> None:
    assert stage(IMAGES) == ""
    said = stage(EPISODES.format("k_sweep"))
    assert "class 1 (aeroplane) has 7 images, but 10 supports and a query are needed: ask for at most 6" in said
    assert stage(EPISODES.format("k_sweep"), parameters={"short": "fewer"}) == ""
    assert stage(EPISODES.format("oslsm")) == ""


def test_a_support_that_is_empty_once_it_is_resized(stage: Callable[..., str]) -> None:
    tiny = np.zeros((SIDE, SIDE), np.uint8)
    tiny[1, 1] = 1
    Image.fromarray(tiny).save(MASKS / "v2_01.png")
    assert stage(IMAGES) == stage(EPISODES.format("cofcn_all")) == ""
    scores = "results/scores/sample/oslsm/pascal5i_voc_sbd_5953-fold0/pascal5i-fold0-oslsm/none/seed0.json"
    said = stage(scores, model=None, data=EPISODES.format("cofcn_all"))
    assert "support voc/v2_01 shows 1 pixels of its object, and none at 64x64: give another support, or a" in said


def test_a_mask_made_elsewhere_that_is_missing(stage: Callable[..., str], project: Path) -> None:
    scores = Path("results/scores/sample/imported_masks/none/pascal5i-fold0-oslsm/none/seed0.json")
    assert stage(IMAGES) == stage(EPISODES.format("oslsm")) == ""
    assert "pascal_masks=masks: there is no such folder; name the one that holds the masks" in stage(scores.as_posix())
    (project / "masks").mkdir()
    store, names = (
        EpisodeStore(Path(EPISODES.format("oslsm")).with_suffix(".zarr")),
        read_view(Path(IMAGES).with_suffix(".zarr")).names,
    )
    rows = store.read(0, store.length)
    for (cls,), (query,), supports in zip(rows["classes"], rows["queries"], rows["supports"], strict=True):
        named = "-".join(names[i] for i in [query, *supports])
        shown = Image.fromarray((mask(cls) > 0).astype(np.uint8))
        shown.resize((64, 64), Image.Resampling.NEAREST).save(f"masks/{named}.png")
    lost = sorted(Path("masks").iterdir())[-1]
    kept = lost.read_bytes()
    lost.unlink()
    assert f"the mask {lost} is missing: make it, and go on" in stage(scores.as_posix())
    lost.write_bytes(kept)
    assert stage(scores.as_posix()) == ""
    counted = json.loads(scores.read_text())["statistics"]["5"]["overlap"]
    assert counted["tp@0.5"] == counted["positives"]
    assert set(counted["fp@0.5"]) == {0}


def test_weights_of_another_backbone(stage: Callable[..., str]) -> None:
    manifest = Path("data/raw/real/squeezenet1_1.json")
    source(manifest)
    manifest.with_suffix("").mkdir()
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, manifest.with_suffix("") / "vgg16.pth")
    assert stage(IMAGES) == stage(EPISODES.format("oslsm")) == ""
    scores = "results/scores/lite/frozen_prototypes/none/pascal5i-fold0-oslsm/none/seed0.json"
    said = stage(scores, data=EPISODES.format("oslsm"), episodes=2, device="cpu")
    assert "no conv1.weight of shape (64, 3, 3, 3): they are not SqueezeNet 1.1 in Keras's layout; delete the" in said
