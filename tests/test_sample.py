"""The sample profile of the whole project, as `make run` runs it: every cell filled, nothing from outside."""

import json
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from miniature import ROOT, Miniature, compile_drawing, take_over_compiled

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory, shared) -> Miniature:
    compile_drawing(shared)
    path = tmp_path_factory.mktemp("sample") / "project"
    path.mkdir()
    for name in ("Snakefile", "params.yaml"):
        shutil.copy2(ROOT / name, path / name)
    for name in ("pipeline", "plugins", "profiles", "envs"):
        shutil.copytree(ROOT / name, path / name)
    take_over_compiled(ROOT, path)
    found = Miniature(path)
    found.snakemake()
    return found


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def test_every_cell_has_a_value_in_range(project):
    table = read(project.path / "results" / "all.tsv")
    ours = table[table.status != "published, not run"]
    assert set(ours.status) == {"ok", "not applicable"}
    assert set(ours[ours.status == "not applicable"].system) == {"osmis-none"}  # it makes no masks to be judged
    unbounded = ours.metric.str.contains("sifid|gain|decay|area")  # distances, differences, and a ratio
    assert ours[(ours.status == "ok") & ~unbounded].value.astype(float).between(0, 1).all()
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


def test_systems_that_see_more_than_a_user_has_are_marked_as_oracles(project):
    table = read(project.path / "results" / "all.tsv")
    ours = table[table.status == "ok"]
    oracles = {"template_matching", "best_proposal", "presegmented_discriminator", "cluttered_discriminator"}
    marked = ours.system.str.partition("-")[0].isin(oracles) & (ours.dataset != "omniglot_5way")
    assert ((ours.oracle == "true") == marked).all()


def test_every_published_number_of_a_level_that_was_run_is_answered(project):
    table = read(project.path / "results" / "all.tsv")
    holes = table[table.status == "published, not run"]
    assert set(holes.dataset) & {"clutter-n4", "clutter-n32"} == set()
    assert len(holes)  # the sample has two of seven levels


def test_the_best_proposal_bounds_masknet(project):
    table = read(project.path / "results" / "all.tsv")
    rows = table[(table.split == "test_one_shot") & (table.metric == "iou") & (table.status == "ok")]
    values = rows.set_index(["system", "dataset"]).value.astype(float)
    for dataset in ("clutter-n4", "clutter-n32"):
        assert values["best_proposal", dataset] >= values["masknet", dataset]


def test_claims_are_not_judged_on_generated_characters(project):
    claims = json.loads((project.path / "results" / "summary.json").read_text())["clutter"]["claims"]
    assert claims
    assert set(claims.values()) <= {"not enough budget", "not run"}


def test_one_system_alone_has_a_table_of_its_own(project):
    project.snakemake("results/systems/siamese_unet.tsv")
    table = read(project.path / "results" / "systems" / "siamese_unet.tsv")
    assert set(table.system) == {"siamese_unet"}


def test_the_masks_of_no_synthesizer_collapse(project):
    table = read(project.path / "results" / "all.tsv")
    kept = table[(table.metric == "objects_kept") & (table.status == "ok")]
    assert {"osmis", "osmis-dm", "osmis-projection", "dataset_gan", "semantic_gan"} <= set(kept.system)
    assert kept.value.astype(float).gt(0.2).all()


def test_the_readmes_question_about_a_row_has_an_answer(project):
    (words,) = re.findall(r"^python -m pipeline\.report why (.*?) +#", (ROOT / "README.md").read_text(), re.MULTILINE)
    answer = project.run(sys.executable, "-m", "pipeline.report", "why", *words.split()).stdout
    assert "models/sample/siamese_unet/clutter-n4/seed0.json" in answer


def test_running_it_again_does_nothing(project):
    assert project.planned() == {}
