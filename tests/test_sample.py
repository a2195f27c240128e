"""The sample profile of the whole project, as `make run` runs it: every cell filled, nothing from outside."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from miniature import ROOT, Miniature

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Miniature:
    path = tmp_path_factory.mktemp("sample") / "project"
    path.mkdir()
    for name in ("Snakefile", "params.yaml"):
        shutil.copy2(ROOT / name, path / name)
    for name in ("pipeline", "plugins", "profiles", "envs"):
        shutil.copytree(ROOT / name, path / name)
    found = Miniature(path)
    found.snakemake()
    return found


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def test_every_cell_has_a_value_in_range(project):
    table = read(project.path / "results" / "all.tsv")
    ours = table[table.status != "published, not run"]
    assert set(ours.status) == {"ok"}
    assert ours.value.astype(float).between(0, 1).all()
    assert set(ours.profile) == {"sample"}
    assert not (ours.complete == "true").any()  # generated characters are not Omniglot


def test_the_page_needs_nothing_from_outside(project):
    page = (project.path / "results" / "report.html").read_text()
    assert "<script" not in page
    assert 'src="http' not in page
    assert "data:image/png;base64" in page


def test_matching_by_an_oracle_beats_chance_by_far(project):
    table = read(project.path / "results" / "all.tsv")
    rows = table[(table.system == "template_matching") & (table.dataset == "clutter-n32") & (table.metric == "iou")]
    values = rows[rows.status == "ok"].value.astype(float)
    assert len(values)
    assert (values > 5 / 32).all()


def test_choosing_among_five_beats_chance_by_far(project):
    table = read(project.path / "results" / "all.tsv")
    rows = table[(table.dataset == "omniglot_5way") & (table.status == "ok")]
    assert len(rows)
    assert (rows.value.astype(float) > 0.6).all()


def test_the_untrained_baseline_is_marked_as_an_oracle(project):
    table = read(project.path / "results" / "all.tsv")
    ours = table[table.status == "ok"]
    marked = ours[ours.oracle == "true"].system.str.partition("-")[0]
    assert set(marked) == {"template_matching"}


def test_one_system_alone_has_a_table_of_its_own(project):
    project.snakemake("results/systems/siamese_unet.tsv")
    table = read(project.path / "results" / "systems" / "siamese_unet.tsv")
    assert set(table.system) == {"siamese_unet"}


def test_running_it_again_does_nothing(project):
    assert project.planned() == {}
