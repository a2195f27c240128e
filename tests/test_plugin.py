"""Plugins: what plugin.yaml may say, and how systems follow from it."""

import pytest
import yaml
from toys import TOYS

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.plugin import find_plugins, systems

FACTS = {
    "kind": "segmenter",
    "title": "Some",
    "paper": "none",
    "licence": "MIT",
    "trained": True,
    "enters": [],
    "train": {"width": 8, "samples": 100},
    "evaluate": {"sharpness": 1.0},
    "profiles": {"lite": {"train": {"width": 16}, "evaluate": {"sharpness": 2.0}}},
    "variants": {"wide": {"train": {"width": 32}}, "sharp": {"evaluate": {"sharpness": 9.0}}},
}
BUILD = "def build(*, width: int = 8, samples: int = 1, sharpness: float = 1.0): ...\n"


@pytest.fixture
def plugins(tmp_path):
    """Write one plugin with some facts changed, and find it."""

    def find(name="some", model=BUILD, **changes):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "plugin.yaml").write_text(yaml.safe_dump(FACTS | changes, sort_keys=False))
        if model is not None:
            (folder / "model.py").write_text(model)
        return find_plugins(tmp_path)

    return find


def test_a_plugin_is_a_folder_and_its_systems_are_its_variants(plugins):
    assert [s.name for s in systems(plugins(), "sample")] == ["some", "some-wide", "some-sharp"]


def test_a_variant_comes_before_the_profile_and_the_profile_before_the_rest(plugins):
    found = plugins()
    values = {s.name: (s.train["width"], s.evaluate["sharpness"]) for s in systems(found, "lite")}
    assert values == {"some": (16, 2.0), "some-wide": (32, 2.0), "some-sharp": (16, 9.0)}
    assert next(systems(found, "sample")).train == {"width": 8, "samples": 100}


def test_what_a_profile_changes_of_a_variant_comes_first_of_all_and_is_not_published(plugins):
    short = {"train": {"width": 32}, "profiles": {"lite": {"train": {"samples": 5}}}}
    found = plugins(variants={"wide": short, "quick": {"profiles": {"lite": {"train": {"samples": 7}}}}})
    values = {s.name: (s.train["width"], s.train["samples"], s.published["samples"]) for s in systems(found, "lite")}
    assert values == {"some": (16, 100, 100), "some-wide": (32, 5, 100), "some-quick": (16, 7, 100)}
    assert [s.train["samples"] for s in systems(found, "sample")] == [100, 100, 100]
    assert [s.model_name for s in systems(found, "lite")] == ["some", "some-wide", "some-quick"]


def test_a_variant_of_evaluation_alone_uses_the_model_of_its_plugin(plugins):
    names = {s.name: s.model_name for s in systems(plugins(), "sample")}
    assert names == {"some": "some", "some-wide": "some-wide", "some-sharp": "some"}


def test_finding_plugins_runs_none_of_their_code(plugins):
    assert "some" in plugins(model="raise SystemExit\n" + BUILD)


@pytest.mark.parametrize("folder", [ROOT / "plugins", TOYS])
def test_every_plugin_of_the_repository_is_well_formed(folder):
    found = find_plugins(folder)
    assert set(found) == {path.parent.name for path in folder.glob("*/model.py")}


BAD = {
    "an unknown key": ({"trian": {}}, "unknown key 'trian'; did you mean 'train'"),
    "an unknown key below": ({"variants": {"wide": {"trian": {}}}}, "unknown key 'variants.wide.trian'; did you mean"),
    "an unknown kind": ({"kind": "classifier"}, "'kind'.*'classifier'"),
    "a wrong type": ({"train": 5}, "'train'.*found 5"),
    "a batch of nothing": ({"batch": 0}, "'batch.*found 0"),
    "a variant's name that is none": ({"variants": {"Big": {}}}, "variant 'Big': a variant's name is lower-case"),
    "a variant that is the plugin itself": ({"variants": {"base": {}}}, "variant 'base': .* and not base"),
    "a share of no card": ({"gpu": 5}, "'gpu'.*found 5"),
    "a parameter that build does not know": ({"train": {"widht": 8}}, "no parameter 'widht'; did you mean 'width'"),
    "one of a variant": ({"variants": {"big": {"train": {"size": 8}}}}, "no parameter 'size'; known: samples, sharp"),
    "one of a variant's profile": (
        {"variants": {"big": {"profiles": {"lite": {"train": {"sample": 8}}}}}},
        "no parameter 'sample'; did you mean 'samples'",
    ),
    "a parameter of evaluation that training would have to know": (
        {"model": "def build(*, width: int = 8, samples: int = 1, sharpness: float): ...\n"},
        "model.py: give build a default for 'sharpness', which training does not pass to it",
    ),
    "no build": ({"model": "def make(): ...\n"}, r"model.py defines no build: add"),
    "a build with positional arguments": ({"model": "def build(width): ...\n"}, r"keywords only; write"),
    "no model.py": ({"model": None}, "model.py is missing"),
    "a syntax error": ({"model": "def build(*, width:\n"}, "model.py, line 1"),
    "a name that is none": ({"name": "My-Plugin"}, "rename the folder"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_is_one_line(plugins, mistake):
    changes, message = BAD[mistake]
    with pytest.raises(UserError, match=message) as caught:
        plugins(**changes)
    assert "\n" not in str(caught.value)
    assert "plugins/" in str(caught.value)


def test_a_missing_key_is_named(tmp_path):
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "plugin.yaml").write_text("kind: segmenter\n")
    with pytest.raises(UserError, match="'title': field required"):
        find_plugins(tmp_path)
