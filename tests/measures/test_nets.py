"""Weights that measure, by name: of several files an entry each, none where a source cannot be had."""

from pathlib import Path

import pytest
import torch

from pipeline.download.__main__ import download
from pipeline.download.job import DownloadJob, read_sources
from pipeline.manifest import Manifest, publish
from pipeline.measures.features import feature_net
from pipeline.measures.lpips import lpips_net
from pipeline.measures.lpips_trunks import SqueezeTrunk
from pipeline.measures.nets import read_nets


def source(folder, name, files, available=True):
    staged = folder / f"{name}.staged"
    staged.mkdir()
    for file in files:
        torch.save({"w": torch.ones(1)}, staged / file)
    publish(staged, folder / name, Manifest(kind="source", digest=None, recipe={}, code="", available=available))
    return folder / f"{name}.json"


def test_reads_what_is_there(tmp_path):
    manifests = {
        "lpips": source(tmp_path, "lpips", ["alex.pth", "squeeze.pth"]),
        "alexnet": source(tmp_path, "alexnet", ["alexnet-owt.pth"]),
        "inception_v3": source(tmp_path, "inception_v3", [], available=False),
    }
    assert sorted(read_nets(manifests)) == ["alexnet", "lpips_alex", "lpips_squeeze"]


@pytest.mark.mirror
def test_the_mirrors_own_weights_make_networks(mirror, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifests = {name: Path(f"data/raw/real/{name}.json") for name in ("lpips", "squeezenet1_1")}
    for name, output in manifests.items():
        download(DownloadJob(source=name, origin="real", entry=read_sources()[name]), output, str(mirror))
    nets = read_nets(manifests)
    assert sorted(nets) == ["lpips_alex", "lpips_squeeze", "lpips_vgg", "squeezenet1_1"]
    assert isinstance(lpips_net(nets).trunk, SqueezeTrunk)
    feature_net(nets["squeezenet1_1"], "squeezenet1_1")
