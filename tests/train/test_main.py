"""The training command in a real project: from a stream, and on several ranks."""

import json
import shutil

import pytest
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


def test_two_ranks_publish_one_model(project):
    before = load_file(project.path / MODEL / "weights.safetensors")
    shutil.rmtree(project.path / "work" / MODEL)
    (project.path / f"{MODEL}.json").unlink()
    project.snakemake(f"{MODEL}.json", "--config", "ranks=2")
    after = load_file(project.path / MODEL / "weights.safetensors")
    for name, tensor in before.items():
        assert_close(after[name], tensor, atol=1e-3, rtol=1e-2)
