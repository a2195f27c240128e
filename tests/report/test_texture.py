"""The texture suite as data: its published numbers against figures copied from the paper's tables, and its claims."""

from decimal import Decimal

import pytest

from pipeline.closure import ROOT
from pipeline.plan import Plan
from pipeline.report.published import Published, read_published
from pipeline.report.shown import Above, Falls, Flat
from pipeline.settings import PROFILES, load_settings
from pipeline.suite import Suite, find_gallery, find_split, levels, load_suites

FOLDER = ROOT / "pipeline" / "suites" / "texture"


@pytest.fixture(scope="module")
def rows() -> list[Published]:
    return read_published(FOLDER / "published.tsv")


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suites(load_settings(ROOT / "params.yaml", {"suites": "texture"}))["texture"]


def test_every_number_is_there(rows: list[Published]) -> None:
    counts = {table: sum(row.table == table for row in rows) for table in dict.fromkeys(row.table for row in rows)}
    tables = {"Table 1": 25, "Table 2": 20, "Table 3": 20, "Table 4": 20, "Table 5": 20, "Table 6": 20}
    assert counts == tables | {"Sec. 6.1": 1, "Sec. 6.6": 3, "Sec. 6.7": 2, "Figure 6": 3}


def test_table_two_is_the_column_of_ten_regions(rows: list[Published]) -> None:
    second = {(row.key, row.value) for row in rows if row.table == "Table 2"}
    assert second <= {(row.key, row.value) for row in rows if row.table in ("Table 3", "Table 4", "Table 5", "Table 6")}


def test_calling_everything_the_target_scores_the_mean_area(rows: list[Published]) -> None:
    """As the model without pretraining does, where patches are larger than those it was trained with."""
    found = [row.value for row in rows if row.table == "Table 5" and row.dataset.endswith("-p96")]
    assert found == [Decimal(value) for value in ("0.498", "0.200", "0.098", "0.050")]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_split_of_every_track_can_be_planned(suite: Suite, profile: str) -> None:
    settings = load_settings(ROOT / "params.yaml", {"suites": "texture", "profile": profile})
    plan, jobs = Plan(settings), 0
    for track in suite.tracks.values():
        for level in levels(track, settings):
            for name in [*track.tested_on, *([f"{track.trained_on}/train"] if track.trained_on else [])]:
                dataset, split = name.format(**level).split("/")
                found = find_split(suite, dataset, split, settings)
                if not found.episodes:
                    continue
                assert found.stream == (split == "train" and profile != "sample")
                jobs += bool(plan.find("render", f"data/episodes/{profile}/{dataset}/{split}.json"))
    assert jobs > 20
    assert plan.outputs("texturize") == [f"data/textures/{profile}/{bank}.json" for bank in ("conv1_1", "photos")]


def test_the_papers_own_numbers_bear_out_every_claim(suite: Suite, rows: list[Published]) -> None:
    def value(line: object, claim: object, dataset: str) -> float:
        system, trained_on = getattr(line, "system", ""), getattr(line, "trained_on", None)
        found = [
            r
            for r in rows
            if (r.system, r.dataset) == (system, dataset) and r.trained_on == (trained_on or r.trained_on)
        ]
        return float(found[0].fraction)

    printed = {row.dataset for row in rows}
    for claim in suite.shown.claims:
        if not printed.intersection(claim.datasets):  # said without numbers
            continue
        if isinstance(claim, Above):
            gaps = [value(claim.above, claim, d) - value(claim.below, claim, d) for d in claim.datasets]
            gaps = [sum(gaps) / len(gaps)] if claim.average else gaps
            assert all(claim.by < gap < (claim.most or 1) for gap in gaps), claim.name
            continue
        values = [value(claim.of, claim, d) for d in claim.datasets]
        if isinstance(claim, Falls):
            assert values == sorted(values, reverse=True), claim.name
        elif not isinstance(claim, Flat):
            assert all((claim.least or 0) < v < (claim.most or 1) for v in values), claim.name


@pytest.mark.parametrize(("split", "patch"), [("train", 256), ("test", 64)])
def test_characters_are_trained_on_with_whole_textures(suite: Suite, split: str, patch: int) -> None:
    """A variable-patch model cuts references of every size from them."""
    settings = load_settings(ROOT / "params.yaml", {"suites": "texture", "profile": "lite"})
    for dataset in ("texturized_omniglot-n8", "texturized_omniglot-n8_background", "texturized_omniglot-n8_paper"):
        assert find_split(suite, dataset, split, settings).parameters["patch"] == patch


def test_a_folder_of_own_classes_is_handed_to_the_gallery(suite: Suite) -> None:
    settings = load_settings(ROOT / "params.yaml", {"suites": "texture", "texture_classes": "photos of mine"})
    assert find_gallery(suite, "texture_classes", settings).parameters["folder"] == "photos of mine"


@pytest.mark.parametrize("profile", PROFILES)
def test_patches_of_metric_and_gallery_agree(suite: Suite, profile: str) -> None:
    settings = load_settings(ROOT / "params.yaml", {"suites": "texture", "profile": profile})
    each = find_gallery(suite, "texture_classes", settings).parameters["patches"]
    assert suite.metrics["accuracy"].parameters["patches"][profile] == 5 * each


def test_sequences_are_as_long_as_their_frames_after_the_first(suite: Suite) -> None:
    """50, 60, 40, 52 and 80 frames, as the DAVIS 2016 archive has them; the sample has two clips."""
    splits = suite.datasets["davis16"].splits
    lengths = {name: count for name, count in splits.items() if isinstance(count, dict)}
    assert [count["paper"] + 1 for count in lengths.values()] == [50, 60, 40, 52, 80]
    assert [name for name, count in lengths.items() if count["sample"]] == ["blackswan", "dog"]
