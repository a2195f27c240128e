"""Settings: --config over the profile's value over the value for all, and every mistake in one line."""

import pytest
import yaml

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.settings import PROFILES, Settings, load_settings

WRITTEN = ROOT / "params.yaml"


@pytest.fixture
def written(tmp_path):
    """params.yaml with some keys changed."""

    def write(**changes):
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(WRITTEN.read_text()) | changes, sort_keys=False))
        return path

    return write


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_shipped_is_valid_for_every_profile(profile):
    settings = load_settings(WRITTEN, {"profile": profile})
    assert (settings.profile, settings.budget, settings.suites, settings.systems) == (profile, 1.0, ("all",), ("all",))


def test_the_default_is_the_built_in_sample_without_any_download():
    settings = load_settings(WRITTEN, {})
    assert (settings.profile, settings.origin, settings.mirror) == ("sample", "sample", "")


def test_config_comes_before_profile_and_profile_before_the_rest(written):
    path = written(pictures={"sample": 1, "lite": 2, "paper": 3}, profile="lite")
    assert load_settings(path, {}).pictures == 2
    assert load_settings(path, {"profile": "paper"}).pictures == 3
    assert load_settings(path, {"profile": "paper", "pictures": 4}).pictures == 4


def test_only_a_mapping_of_all_three_profiles_is_one_by_profile(written):
    with pytest.raises(UserError, match="'pictures' names sample, lite; it needs sample, lite, paper"):
        load_settings(written(pictures={"sample": 1, "lite": 2}), {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [("4,8", (4, 8)), ("4, 8,", (4, 8)), ("4", (4,)), (4, (4,)), ([4, 8], (4, 8))],
)
def test_lists_are_comma_separated(given, expected):
    assert load_settings(WRITTEN, {"clutter_levels": given}).clutter_levels == expected


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("suites", "clutter, texture", ("clutter", "texture")),
        ("systems", "siamese_unet", ("siamese_unet",)),
        ("episodes", "null", None),
        ("episodes", "50", 50),
        ("stream", "true", True),
        ("budget", "0.25", 0.25),
        ("mirror", "../shared/data", "../shared/data"),
        ("mirror", "", ""),
    ],
)
def test_text_of_the_command_line_gets_its_type_back(key, given, expected):
    assert getattr(load_settings(WRITTEN, {key: given}), key) == expected


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        load_settings(WRITTEN, {}).budget = 2.0


@pytest.mark.parametrize("key", ["budjet", "sutes", "clutter_level", "thread"])
def test_a_typo_names_the_nearest_right_key(key, written):
    right = {"budjet": "budget", "sutes": "suites", "clutter_level": "clutter_levels", "thread": "threads"}[key]
    with pytest.raises(UserError, match=f"unknown setting '{key}'; did you mean '{right}'"):
        load_settings(WRITTEN, {key: 1})
    with pytest.raises(UserError, match=f"unknown key '{key}'; did you mean '{right}'"):
        load_settings(written(**{key: 1}), {})


WRONG = {
    "budget": [0, -1, "much", float("inf")],
    "profile": ["papr", 3, None],
    "seeds": ["", "-1", "0,x", "0,0"],
    "episodes": [0, 1.5],
    "clutter_levels": ["", "0", "four", "4,8,4"],
    "device": ["gpu"],
    "precision": ["float64"],
    "threads": [0, "many"],
    "bootstrap": [1],
    "pictures": [-1],
    "ranks": [0],
    "compile": ["perhaps"],
    "stream": [2],
    "pascal_missing": ["leave"],
    "pascal_folds": ["4", "0,0"],
}


def test_a_misspelt_profile_of_a_value_is_named(written):
    with pytest.raises(UserError, match="'seeds' names sample, lit, paper; it needs sample, lite, paper"):
        load_settings(written(seeds={"sample": [0], "lit": [0], "paper": [0]}), {})


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_wrong_type_or_range_names_key_and_value(key, value):
    with pytest.raises(UserError) as caught:
        load_settings(WRITTEN, {key: value})
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_setting_can_be_written_on_the_command_line():
    for name in Settings.model_fields:
        assert name.isidentifier()
        assert len(name) >= 2


def test_the_budget_scales_down_to_a_least_number():
    settings = load_settings(WRITTEN, {"budget": 0.001})
    assert [settings.scaled(n, least=50) for n in (10, 100, 100_000)] == [10, 50, 100]
