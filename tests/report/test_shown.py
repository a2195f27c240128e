"""published.yaml: what a suite may say there, mistakes in one line, and the clutter study's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.report.published import read_published
from pipeline.report.shown import Shown
from pipeline.settings import load_settings
from pipeline.suite import Suite, load_suites

CLUTTER = ROOT / "pipeline" / "suites" / "clutter"


def load(folder: Path) -> Suite:
    return load_suites(load_settings(ROOT / "params.yaml", {}), folder)["clutter"]


@pytest.fixture
def suites(folder: Path) -> Path:
    """A copy of the clutter suite, to be broken."""
    shutil.copytree(CLUTTER, folder / "suites" / "clutter")
    return folder / "suites"


def test_a_suite_without_the_file_shows_and_claims_nothing(suites: Path) -> None:
    (suites / "clutter" / "published.yaml").unlink()
    assert load(suites).shown == Shown()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "tracks: [scenes]",
            "tracks: [scene]",
            "published.yaml: the suite has no track 'scene'; did you mean 'scenes'",
        ),
        ("split: test_one_shot", "split: test_oneshot", "no split 'test_oneshot'; did you mean 'test_one_shot'"),
        ("metric: iou", "metric: iuo", "no metric 'iuo'"),
        ("[clutter-n256]", "[cluter-n256]", "no data set 'cluter-n256'"),
        ("kind: flat", "kind: flatt", "flatt"),
        ("    most: 0.4\n", "", "give least, most or both"),
        ("says: Among 256", "say: Among 256", "unknown key"),
    ],
)
def test_mistakes_are_named(suites: Path, old: str, new: str, message: str) -> None:
    path = suites / "clutter" / "published.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=message) as caught:
        load(suites)
    assert "\n" not in str(caught.value)


def named_systems(values: Any) -> Iterator[str]:
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        if key in ("system", "systems"):
            yield from [value] if isinstance(value, str) else value or ()
        elif isinstance(value, dict | list):
            yield from named_systems(value)


def test_the_clutter_study_names_the_systems_of_its_tables() -> None:
    shown = load(ROOT / "pipeline" / "suites").shown
    systems = {row.system for row in read_published(CLUTTER / "published.tsv")}
    assert set(named_systems(shown.model_dump())) == systems
    assert len({claim.name for claim in shown.claims}) == len(shown.claims)
    assert {claim.kind for claim in shown.claims} == {"falls", "above", "flat", "within"}


def test_the_published_numbers_bear_out_the_claims_on_them() -> None:
    """Every quantity that the tables print lies on the claimed side: the claims are what the paper shows."""
    printed = {
        (row.system, row.dataset, row.metric): float(row.fraction) for row in read_published(CLUTTER / "published.tsv")
    }
    for claim in load(ROOT / "pipeline" / "suites").shown.claims:
        if claim.kind == "above" and claim.below.split is None and claim.above.split is None:
            pairs = [(claim.above.system, claim.below.system, d, claim.metric) for d in claim.datasets]
            gaps = [printed[a, d, metric] - printed[b, d, metric] for a, b, d, metric in pairs]
            gaps = [sum(gaps) / len(gaps)] if claim.average else gaps
            assert all(claim.by < gap < (claim.most or 1) for gap in gaps), claim.name
        elif claim.kind != "above":
            values = [printed[claim.of.system, d, claim.metric] for d in claim.datasets]
            if claim.kind == "falls":
                assert values == sorted(values, reverse=True)
            elif claim.kind == "flat":
                assert max(values) - min(values) < claim.most
            else:
                assert all((claim.least or 0) < value < (claim.most or 1) for value in values)
