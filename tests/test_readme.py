"""What the README shows works: its plugin, its pictures and its links."""

import importlib.util
import re

import pytest
from toys import random_batch

from pipeline.closure import ROOT
from pipeline.plugin import find_plugins, systems

TEXT = (ROOT / "README.md").read_text()


@pytest.fixture
def plugins(tmp_path):
    """The folder `plugins` that the README tells to make."""
    files = re.findall(r"^`plugins/(\S+)`:\n\n```\w+\n(.*?)```", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert [name for name, _ in files] == ["all_ink/plugin.yaml", "all_ink/model.py"]
    (tmp_path / "all_ink").mkdir()
    for name, content in files:
        (tmp_path / name).write_text(content)
    return tmp_path


def test_the_plugin_is_found_and_has_two_systems(plugins):
    assert [system.name for system in systems(find_plugins(plugins), "sample")] == ["all_ink", "all_ink-bright"]


def test_the_plugin_segments_ink(plugins):
    spec = importlib.util.spec_from_file_location("all_ink", plugins / "all_ink" / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (system, _) = systems(find_plugins(plugins), "sample")
    segmenter = module.build(**system.train, **system.evaluate)
    batch = random_batch(supports=[(32, 32)], queries=[(48, 40)], objects=2)
    (prediction,) = segmenter.predict(segmenter.adapt(batch.supports), batch.queries)
    assert prediction.probabilities.shape == (2, 2, 48, 40)
    assert (prediction.probabilities[:, 0] > 0.5).equal(batch.queries[0].images.amax(1) > 30)


def test_links_lead_somewhere():
    for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", TEXT):
        assert (ROOT / link).is_file(), link
