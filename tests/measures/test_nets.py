"""Weights that measure, by name: of several files an entry each, none where a source cannot be had."""

import torch

from pipeline.manifest import Manifest, publish
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
