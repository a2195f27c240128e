"""`python -m pipeline.export`, as a user runs it."""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.closure import ROOT
from pipeline.episodes import Arrays, EpisodeStore
from pipeline.errors import UserError
from pipeline.export.__main__ import main
from pipeline.export.npy import write_npy
from pipeline.export.split import ExportedSplit
from pipeline.render.cluttered_omniglot import renderer
from pipeline.render.write import write_store

FORMATS = {"npy": "test-one-shot", "hdf5": "test-one-shot.h5", "png": "test-one-shot"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.export", "clutter-n32/test_one_shot", *arguments]


ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("name", FORMATS)
def test_a_split_is_exported(clutter: Path, monkeypatch: pytest.MonkeyPatch, capsys, name: str) -> None:
    monkeypatch.setattr(sys, "argv", [*command("--format", name, "--output", "out/n32", "--episodes", "30")[2:]])
    main()
    assert [path.name for path in Path("out/n32").iterdir()] == [FORMATS[name]]
    assert capsys.readouterr().out.startswith(f"wrote out/n32/{FORMATS[name]}: 30 of 45 episodes (complete: false")
    if name != "hdf5":
        assert json.loads(Path("out/n32/test-one-shot/export.json").read_text()) == {
            "dataset": "clutter-n32",
            "split": "test_one_shot",
            "profile": "sample",
            "episodes": 30,
            "complete": False,
            "digest": "sha256:12",
        }


MISTAKES = {
    "no split": (["clutter-n32"], "'clutter-n32' names no split: write data set/split, as in"),
    "a path": (["../episodes/x"], "names no split"),
    "unknown level": (["clutter-n33/test_one_shot"], "unknown data set 'clutter-n33'; did you mean 'clutter-n32'?"),
    "unknown data set": (["cluter-n4/test_one_shot"], "unknown data set 'cluter-n4'; did you mean 'clutter-n4'?"),
    "unknown split": (["clutter-n32/test-oneshot"], "no split 'test-oneshot'; did you mean 'test_one_shot'?"),
    "unknown oracle": (["clutter-n4/train-instance"], "has no split 'train-instance'; did you mean 'train-instances'"),
    "not rendered": (
        ["clutter-n4/test_one_shot"],
        "not rendered under sample: run `snakemake --cores all data/episodes/sample/clutter-n4/test_one_shot.json`$",
    ),
    "not rendered, and of no track": (
        ["clutter-n4/val_one_shot"],
        "under sample: run `snakemake --cores all data/episodes/sample/clutter-n4/val_one_shot.json`$",
    ),
    "rendered by another profile": (
        ["clutter-n32/test_one_shot", "--profile", "lite"],
        "json --config profile=lite`; under sample it is: add --profile sample",
    ),
    "a level of another profile": (
        ["clutter-n256/test_one_shot"],
        "clutter-n256/test_one_shot.json --config profile=lite`, then add --profile lite",
    ),
    "unknown profile": (["clutter-n32/test_one_shot", "--profile", "papre"], "'papre'; did you mean 'paper'?"),
    "unknown format": (
        ["clutter-n32/test_one_shot", "--format", "hdf"],
        "--format hdf is unknown; did you mean 'hdf5'",
    ),
    "too many": (["clutter-n32/test_one_shot", "--episodes", "99"], "--episodes 99 is out of range: ask for 1 to 45"),
    "a stream": (
        ["clutter-n32/train"],
        "is a stream, a recipe without episodes: run `snakemake .*/train.json --config profile=sample stream=false`",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.usefixtures("clutter")
def test_mistakes_are_one_line(render, traces: Arrays, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    arguments, message = MISTAKES[mistake]
    render("clutter-n32/train", traces, kind="stream")
    monkeypatch.setattr(sys, "argv", ["export", *arguments, "--output", "out"])
    with pytest.raises(UserError, match=message.replace("?", r"\?")):
        main()
    assert not Path("out").exists()


@pytest.fixture
def disk(tmp_path: Path):
    """A function that mounts a disk of so many bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(size: int) -> Path:
        options = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(options, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small tmpfs needs root")
        return folder

    yield mount
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


# HDF5: in the midst, and just short of the end, where the library itself writes. npy: its files fit, their pages do not.
@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("npy", 28_672), ("png", 65_536), ("hdf5", 8_192), ("hdf5", 45_056)])
@pytest.mark.usefixtures("clutter")
def test_a_full_disk_leaves_one_line_and_nothing_else(disk, name: str, size: int) -> None:
    folder = disk(size)
    done = subprocess.run(
        command("--format", name, "--output", str(folder / "out")),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    lines = [line for line in done.stderr.splitlines() if " episodes, " not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"error: the disk is full while writing {folder}/out/{FORMATS[name]}; free some space")
    assert list(folder.iterdir()) == []
    target = folder.parent / "elsewhere"
    subprocess.run(command("--format", name, "--output", str(target)), env=ENVIRONMENT, check=True, capture_output=True)
    assert (target / FORMATS[name]).exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_sigterm_leaves_nothing(render, name: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1, 96, 96, 3), np.uint8)
    masks = np.zeros((1200, 1, 96 * 96 // 8), np.uint8)
    arrays = {
        f"{side}_{kind}": a for side in ("query", "support") for kind, a in {"images": noise, "masks": masks}.items()
    }
    render("clutter-n32/test_one_shot", arrays)
    output = tmp_path / "out"
    with subprocess.Popen(
        command("--format", name, "--output", str(output)), env=ENVIRONMENT, stderr=subprocess.DEVNULL
    ) as process:
        while not list(output.glob(".*.partial/test*")):
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    assert not output.exists()


@pytest.mark.mirror
@pytest.mark.slow
def test_the_last_exported_scene_has_the_published_hash(mirror: Path, tmp_path: Path) -> None:
    table = csv.DictReader((ROOT / "tests/render/published_md5.tsv").read_text().splitlines(), delimiter="\t")
    published = {(row["characters"], row["split"]): row["md5"] for row in table}
    drawn = renderer(split="test_one_shot", sources={"omniglot": mirror / "omniglot"}, characters=4)
    store = write_store(drawn, 10_000, work=tmp_path, recipe="", threads=2)
    write_npy(tmp_path / "out", ExportedSplit(EpisodeStore(store), None), {})
    images = np.load(tmp_path / "out" / "images.npy", mmap_mode="r")
    assert images.shape == (10_000, 96, 96, 3)
    assert hashlib.md5(images[-1].tobytes()).hexdigest() == published["4", "test_one_shot"]
