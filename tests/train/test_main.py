"""The training command in a real project: from a stream, and on several ranks."""

import csv
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

pytestmark = pytest.mark.slow
MODEL = "models/sample/toy_trained/clutter-n4/seed0"


@pytest.fixture
def project(finished_miniature, tmp_path):
    return finished_miniature.copy(tmp_path / "project")


def test_a_stream_trains_the_very_weights_that_its_store_trains(project):
    before = (project.path / MODEL / "weights.safetensors").read_bytes()
    stored = project.path / "data/episodes/sample/clutter-n4/train.zarr"
    size = sum(file.stat().st_size for file in stored.rglob("*") if file.is_file())
    project.snakemake(f"{MODEL}.json", "--config", "stream=true")
    assert json.loads((project.path / "data/episodes/sample/clutter-n4/train.json").read_text())["kind"] == "stream"
    assert (project.path / MODEL / "weights.safetensors").read_bytes() == before
    assert sum(file.stat().st_size for file in stored.rglob("*") if file.is_file()) < size / 2


def test_what_the_job_asks_for_on_the_way_is_published_and_scored(project, finished_miniature):
    last = load_file(project.path / MODEL / "weights.safetensors")
    for name, old, new in (
        (
            "pipeline/suites/clutter/suite.yaml",
            "    protocol: clutter\n",
            "    protocol: clutter\n    snapshots: [40]\n",
        ),
        ("plugins/toy_trained/plugin.yaml", "track: scenes", "track: scenes, snapshots: true"),
    ):
        path = project.path / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
    project.snakemake("results/systems/toy_trained.tsv", "--config", "systems=toy_trained")
    after = load_file(project.path / MODEL / "weights.safetensors")
    assert all(torch.equal(last[name], after[name]) for name in last)
    way = load_file(project.path / MODEL / "snapshots" / "40.safetensors")
    assert any(not torch.equal(last[name], way[name]) for name in last)
    with (project.path / "results/systems/toy_trained.tsv").open() as file:
        rows = {(row["metric"], row["snapshot"]): row for row in csv.DictReader(file, delimiter="\t")}
    assert rows["iou", "40%"]["value"] != rows["iou", ""]["value"]
    assert float(rows["iou", "40%"]["schedule"]) == pytest.approx(0.4 * float(rows["iou", ""]["schedule"]))


def test_two_ranks_publish_one_model(project):
    before = load_file(project.path / MODEL / "weights.safetensors")
    shutil.rmtree(project.path / "work" / MODEL)
    (project.path / f"{MODEL}.json").unlink()
    project.snakemake(f"{MODEL}.json", "--config", "ranks=2")
    after = load_file(project.path / MODEL / "weights.safetensors")
    for name, tensor in before.items():
        assert_close(after[name], tensor, atol=1e-3, rtol=1e-2)
