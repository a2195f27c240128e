"""The command: from a data set's pairs to samples, whatever fails or is killed, and from a pair of the user's."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from miniature import TOYS, finished
from PIL import Image
from safetensors.torch import save_file

from pipeline.pairs import PairStore

STORE = "data/synthetic/sample/toy_gan/davis17/seed0"


@pytest.fixture(scope="module")
def made(shared):
    """A miniature with a synthesizer, run to its end once for all workers."""

    def prepare(project):
        shutil.copytree(TOYS / "toy_gan", project.path / "plugins" / "toy_gan")
        project.edit("params.yaml", "suites: all", "suites: synthesis")

    return finished(shared, "synthesis", prepare)


@pytest.fixture
def project(made, tmp_path):
    return made.copy(tmp_path / "project")


@pytest.mark.slow
def test_pairs_are_made_measured_and_shown(made):
    store = PairStore(made.path / STORE / "pairs.zarr")
    assert [facts.objects for facts in store.facts] == [3, 2]
    for samples in store:
        assert samples.images.shape == (20, 16, 16, 3)
        assert samples.kept.tolist() == sorted(set(samples.kept.tolist()))
        assert len(samples.kept) == 17  # 85 %
    rows = [line.split("\t") for line in (made.path / "results" / "all.tsv").read_text().splitlines()]
    ours = [dict(zip(rows[0], row, strict=True)) for row in rows[1:] if row[5] == "toy_gan"]
    assert {row["metric"] for row in ours} >= {"sifid", "lpips01", "lpips", "lpips_to_train"}
    assert {row["status"] for row in ours} == {"ok"}
    assert {row["episodes"] for row in ours} == {"2"}
    assert made.planned() == {}


@pytest.mark.slow
def test_side_by_side_gives_the_same_bytes(project):
    before = project.products()
    shutil.rmtree(project.path / "work")
    shutil.rmtree(project.path / "data" / "synthetic")
    project.edit("params.yaml", "side_by_side: {sample: 1", "side_by_side: {sample: 2")
    project.snakemake("synthesize")
    assert {k: v for k, v in project.products().items() if "synthetic" in k} == {
        k: v for k, v in before.items() if "synthetic" in k
    }


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_one_pair_alone(project):
    model = "plugins/toy_gan/model.py"
    nan = "if query.masks.max() == 3:\n                real = real * float('nan')\n            fake = self.model"
    project.edit(model, "fake = self.model", nan)
    project.snakemake()
    facts = PairStore(project.path / STORE / "pairs.zarr").facts
    assert [f.status for f in facts] == ["failed", "ok"]
    assert facts[0].reason.startswith("stage coarse: ")
    assert "is nan after" in facts[0].reason
    table = (project.path / "results" / "all.tsv").read_text()
    assert "partly failed" in table
    assert "is nan after" in (project.path / "results" / "report.html").read_text()


@pytest.mark.slow
def test_a_killed_synthesis_goes_on_to_the_same_bytes(project):
    before = project.products()
    shutil.rmtree(project.path / "work")
    (project.path / f"{STORE}.json").unlink()
    shutil.rmtree(project.path / STORE)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "synthesize"]
    environment = project.environment(GLIMPSE_CHECKPOINT_SECONDS="0", GLIMPSE_FORKSERVER="")
    run = subprocess.Popen(command, cwd=project.path, env=environment, start_new_session=True)
    work = project.path / "work" / STORE
    deadline = time.monotonic() + 60
    while not (work / "0" / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    project.snakemake("synthesize")
    assert {k: v for k, v in project.products().items() if "synthetic" in k} == {
        k: v for k, v in before.items() if "synthetic" in k
    }


@pytest.mark.slow
def test_pairs_are_exported_as_indexed_png(project):
    run = project.run(sys.executable, "-m", "pipeline.export", "synthetic/toy_gan/davis17", "--output", "out")
    assert "34 pairs" in run.stdout
    folder = project.path / "out/toy_gan-davis17/dogs-jump-00000-1-2-3/masks"
    with Image.open(min(folder.iterdir())) as mask:
        assert mask.mode == "P"
    wrong = project.run(
        sys.executable, "-m", "pipeline.export", "synthetic/toy_gun/davis17", "--output", "out", check=False
    )
    assert wrong.returncode == 2
    assert "toy_gun has made no pairs of davis17 under sample: did you mean 'toy_gan'?" in wrong.stderr


def own(project, *arguments, check=True):
    command = ("-m", "pipeline.synthesize", "--system", "toy_gan", "--threads", "1", "--samples", "3")
    return project.run(sys.executable, *command, *arguments, check=check)


@pytest.mark.slow
def test_a_pair_of_the_users_own(project):
    image, mask = np.zeros((20, 30, 3), np.uint8), np.zeros((20, 30), np.uint8)
    mask[5:15, 5:15] = 1
    image[mask > 0] = 200
    for name, array in (("x.png", image), ("y.png", mask * 255)):
        Image.fromarray(array).save(project.path / name)
    pair = ("--image", "x.png", "--mask", "y.png")
    assert "wrote 3 pairs of 16x16 to out" in own(project, *pair, "--output", "out").stdout
    out = project.path / "out"
    assert len(list((out / "images").iterdir())) == len(list((out / "masks").iterdir())) == 3
    assert json.loads((out / "fit.json").read_text())["system"] == "toy_gan"
    own(project, *pair, "--weights", "out/weights.safetensors", "--output", "again")
    assert (project.path / "again/images/0002.png").read_bytes() == (out / "images/0002.png").read_bytes()
    save_file({"another": torch.zeros(1)}, project.path / "other.safetensors")
    for arguments, message in [
        ((*pair, "--output", "out"), "out holds samples already"),
        (("--image", "x.png", "--output", "o"), "one half of a pair is missing (1 --image, 0 --mask)"),
        (
            (*pair, "--output", "o", "--set", "sample=3"),
            "--set sample=3: no parameter 'sample'; did you mean 'samples'?",
        ),
        ((*pair, "--output", "o", "--weights", "y.png"), "--weights y.png cannot be read"),
        (
            (*pair, "--output", "o", "--weights", "other.safetensors"),
            "--weights other.safetensors are of another system or size than toy_gan",
        ),
        ((*pair, "--output", "o", "--samples", "0"), "--samples 0: make at least one pair"),
        ((*pair, "--output", "y.png"), "cannot write y.png (File exists): choose another folder for --output"),
    ]:
        found = own(project, *arguments, check=False)
        assert found.returncode == 2
        assert message in found.stderr
        assert found.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_folder_of_pairs_goes_on_where_one_is_none(project):
    for kind in ("images", "masks"):
        (project.path / "own" / kind).mkdir(parents=True)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 5:15] = 1
    for path, array in [("images/a.png", np.dstack([mask * 200] * 3)), ("masks/a.png", mask), ("images/b.png", mask)]:
        Image.fromarray(array).save(project.path / "own" / path)
    Image.fromarray(mask * 0).save(project.path / "own" / "masks" / "c.png")
    found = own(project, "--pairs", "own", "--output", "out", check=False)
    assert "wrote 3 pairs of 16x16 to out/a" in found.stdout
    assert found.returncode == 2
    assert "2 of the pairs of own failed, the others are made: b (one half of the pair 'b' is missing" in found.stderr
