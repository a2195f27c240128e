"""From supports extended by a synthesizer to gains, and out as a folder that DAVIS's own command scores alike."""

import shutil
import sys

import pytest
from miniature import ROOT, TOYS, Miniature, finished


@pytest.fixture(scope="module")
def made(shared):
    """A miniature with a synthesizer and a segmenter of videos, run to its end once for all workers."""

    def prepare(project):
        for name in ("toy_gan", "toy_augmented"):
            shutil.copytree(TOYS / name, project.path / "plugins" / name)
        project.edit(
            "plugins/toy_gan/plugin.yaml", "suite: synthesis, track: quality", "suite: augmentation, track: davis17"
        )
        project.edit("plugins/toy_augmented/plugin.yaml", "  - {suite: augmentation, track: davis16}\n", "")
        project.edit("params.yaml", "suites: all", "suites: augmentation")

    return finished(shared, "augmentation", prepare)


@pytest.fixture(scope="module")
def rows(made):
    lines = [line.split("\t") for line in (made.path / "results" / "all.tsv").read_text().splitlines()]
    table = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    return {(row["augmentation"], row["metric"]): row for row in table if row["system"] == "toy_augmented"}


@pytest.mark.slow
def test_the_four_cells_and_their_gains_are_in_the_table(rows):
    four = {"none", "standard", "toy_gan", "standard-toy_gan"}
    assert {augmentation for augmentation, metric in rows if metric == "j_and_f"} == four
    for augmentation, reference in [("standard", "none"), ("toy_gan", "none"), ("standard-toy_gan", "standard")]:
        values = [float(rows[name, "j_and_f"]["value"]) for name in (augmentation, reference)]
        assert float(rows[augmentation, "j_and_f_gain"]["value"]) == pytest.approx(values[0] - values[1], abs=2e-6)
    assert ("none", "j_and_f_gain") not in rows
    assert {row["status"] for row in rows.values()} == {"ok"}


@pytest.mark.slow
def test_exported_masks_get_the_same_number_from_the_other_command(made, rows, tmp_path):
    scores = "results/scores/sample/toy_augmented/none/davis17-val/none/seed0.json"
    results = str(tmp_path / "results")
    made.run(sys.executable, "-m", "pipeline.export", scores, "--output", results)
    truth = str(made.path / "data/raw/sample/davis2017")
    command = (sys.executable, "-m", "pipeline.evaluate", "davis", "--results", results, "--truth", truth)
    found = Miniature(ROOT).run(*command).stdout  # here its compiled code is kept; the copy would compile it anew
    line = next(line for line in found.splitlines() if line.startswith("all"))
    assert float(line.split()[1]) == pytest.approx(float(rows["none", "j_and_f"]["value"]), abs=5e-4)


@pytest.mark.slow
def test_the_page_says_what_is_gained_and_shows_the_videos(made):
    page = (made.path / "results" / "report.html").read_text()
    assert "Synthetic data of toy_gan" in page
    assert "against standard augmentation alone (2 episodes, 1 run)" in page
    assert page.count("data:image/gif") >= 2
