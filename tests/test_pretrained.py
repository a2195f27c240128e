"""Published weights of a trunk: asked for by the setting `weights`, handed to `build`, done without, or insisted on."""

import shutil

import h5py
import numpy as np
import pytest
import torch

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.manifest import Manifest, publish
from pipeline.plan import Plan
from pipeline.plugin import PluginFacts, System
from pipeline.pretrained import read_published
from pipeline.settings import load_settings


@pytest.fixture
def project(tmp_path):
    """A project with one plugin that asks for VGG-19."""
    shutil.copytree(ROOT / "pipeline" / "suites", tmp_path / "pipeline" / "suites")
    plugin = ROOT / "tests" / "toys" / "plugins" / "toy_trained"
    shutil.copytree(plugin, tmp_path / "plugins" / "toy_trained")
    facts = tmp_path / "plugins" / "toy_trained" / "plugin.yaml"
    facts.write_text(facts.read_text() + "pretrained: {trunk: vgg19}\n")
    return tmp_path


def trainings(project, **settings):
    plan = Plan(load_settings(ROOT / "params.yaml", {"suites": "clutter", **settings}), root=project)
    return list(plan.jobs["train"].values())


@pytest.mark.parametrize(("weights", "insists"), [("auto", False), ("pretrained", True)])
def test_a_training_stands_on_the_weights_it_asks_for(project, weights, insists):
    for job in trainings(project, profile="lite", weights=weights):
        assert job.values.pretrained == {"trunk": "data/raw/real/vgg19.json"}
        assert "data/raw/real/vgg19.json" in job.manifests
        assert job.values.insist == insists


@pytest.mark.parametrize("settings", [{"profile": "lite", "weights": "scratch"}, {"profile": "sample"}])
def test_scratch_and_the_sample_profile_ask_for_none(project, settings):
    assert all(job.values.pretrained == {} for job in trainings(project, **settings))


def test_a_variant_with_weights_of_its_own_is_a_model_of_its_own():
    facts = {"kind": "segmenter", "title": "", "paper": "", "licence": "", "trained": True, "enters": []}
    plugin = PluginFacts(**facts, pretrained={"trunk": "vgg19"}, variants={"plain": {"pretrained": {}}, "same": {}})
    systems = [
        System(plugin="p", variant=v, facts=plugin, train={}, evaluate={}, published={}) for v in plugin.variants
    ]
    assert [(s.model_name, s.pretrained) for s in systems] == [("p-plain", {}), ("p", {"trunk": "vgg19"})]


def published(folder, tensors, available=True):
    """A source of weights; returns its manifest."""
    (folder / "staged").mkdir()
    if tensors is not None:
        torch.save(tensors, folder / "staged" / "vgg19-0.pth")
    notes = {} if available else {"reason": "no network"}
    manifest = Manifest(kind="source", digest=None, recipe={}, code="", available=available, notes=notes)
    publish(folder / "staged", folder / "vgg19", manifest)
    return folder / "vgg19.json"


def test_tensors_are_read_by_their_names(tmp_path):
    found = read_published(published(tmp_path, {"features.0.bias": torch.ones(3)}), insist=True)
    assert found["features.0.bias"].equal(torch.ones(3))


def test_tensors_of_keras_have_torchs_names_and_shapes(tmp_path):
    manifest = published(tmp_path, None)
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    with h5py.File(tmp_path / "vgg19" / "weights.h5", "w") as file:
        file.attrs["layer_names"] = [b"input", b"one/conv"]
        file.create_group("input").attrs["weight_names"] = np.zeros(0)
        file["one/conv/uniform1"], file["one/conv/conv_b"] = kernel, np.ones(5, np.float32)
        file["one/conv"].attrs["weight_names"] = [b"uniform1", b"conv_b"]
    found = read_published(manifest, insist=True)
    assert sorted(found) == ["one/conv.bias", "one/conv.weight"]
    assert found["one/conv.weight"].shape == (5, 4, 2, 3)
    assert found["one/conv.weight"][4, 3, 1, 2] == kernel[1, 2, 3, 4]


def test_what_cannot_be_had_is_left_out_or_a_mistake(tmp_path):
    manifest = published(tmp_path, None, available=False)
    assert read_published(manifest, insist=False) is None
    with pytest.raises(UserError, match=r"vgg19 is missing \(no network\): give a mirror, or weights=auto"):
        read_published(manifest, insist=True)


def test_a_damaged_file_is_named(tmp_path):
    manifest = published(tmp_path, {"x": torch.ones(1000)})
    path = tmp_path / "vgg19" / "vgg19-0.pth"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"vgg19-0.pth is damaged .*: delete .*vgg19.json and run snakemake"):
        read_published(manifest, insist=False)


def test_a_damaged_table_is_named(tmp_path):
    manifest = published(tmp_path, None)
    (tmp_path / "vgg19" / "weights.h5").write_bytes(b"half a download")
    with pytest.raises(UserError, match=r"weights.h5 is damaged .*: delete .*vgg19.json and run snakemake"):
        read_published(manifest, insist=False)
