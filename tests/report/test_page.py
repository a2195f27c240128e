"""The page: self-contained, equal bytes for equal inputs, honest about holes, failures and subsets."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.manifest import write_json
from pipeline.report.__main__ import write_table
from pipeline.report.learning import read_log
from pipeline.report.page import render
from pipeline.report.strips import blend, paint
from tests.report.miniature import CLAIMS, SUITE, cell, write_project, write_scores


def test_the_page_loads_nothing() -> None:
    page = render(write_project())
    assert "<script" not in page
    assert "@import" not in page
    assert all(src.startswith("data:") for src in re.findall(r'src="([^"]*)"', page))
    links = re.findall(r'<a href="([^"]*)"', page)
    assert links == ["https://doi.org/10.1126/science.aab3050"]
    assert all(link.startswith("#") or link in links for link in re.findall(r'href="([^"]*)"', page))
    assert all(link.startswith("#") for link in re.findall(r"url\(([^)]*)\)", page))


def test_equal_inputs_give_equal_bytes_and_seconds_stand_in_one_line() -> None:
    job = write_project()
    before = render(job)
    assert render(job) == before
    write_json(
        Path(job.cells[0].files[0].replace(".json", ".timing.json")), {"seconds": 99, "device": "cpu (2 threads)"}
    )
    changed = [(a, b) for a, b in zip(before.splitlines(), render(job).splitlines(), strict=True) if a != b]
    assert len(changed) == 1
    assert "seconds: the one line" in before.splitlines()[before.splitlines().index(changed[0][0]) - 1]


def test_verdicts_of_a_clock_stand_in_marked_lines_and_in_no_summary() -> None:
    claim = {"name": "quick", "says": "It is.", "source": "", "kind": "faster", "by": 3.0, "track": "scenes"}
    claim |= {"fast": {"system": "unet"}, "slow": {"system": "matching"}, "split": "test_one_shot", "metric": "iou"}
    suite = SUITE | {"claims": [*CLAIMS, claim | {"datasets": ["clutter-n4"]}]}

    def timed(seconds: float) -> tuple[list[str], str]:
        job = write_project(suites=[suite])
        for system, median in (("unet", 1.0), ("matching", seconds)):
            path = Path(cell(system, 4, "iou", 1)["scores"][0][0].replace(".json", ".timing.json"))
            more = {"shots": {1: {"median": median, "episodes": 3}}}
            write_json(path, {"seconds": 1.5, "device": "cpu (2 threads)"} | more)
        write_table(job, Path("results/all.tsv"), None)
        return render(job).splitlines(), Path("results/summary.json").read_text()

    (fast, summary), (slow, other) = timed(9.0), timed(2.0)
    changed = [a for a, b in zip(fast, slow, strict=True) if a != b]
    assert changed
    assert all("<!-- seconds -->" in line for line in changed)
    assert summary == other
    assert "quick" not in summary


def test_published_and_ours_stand_side_by_side() -> None:
    page = render(write_project())
    assert "paper 97.1 (\u2212" in page
    assert "best_proposal" in page
    assert page.count("<svg") == 3  # curve, thresholds, learning
    assert "A paper &lt;1&gt;" in page
    assert "clutter-n4 to clutter-n32" in page  # the claim's only check
    assert "Built-in sample" not in page


def test_failures_subsets_and_samples_are_announced() -> None:
    job = write_project()
    write_scores(job.cells[0].files[0], None, 0, status="failed", reason="out of memory", statistics={})
    write_scores(job.cells[1].files[0], None, 0, complete=False)
    page = render(job)
    assert "seed0.json: out of memory" in page
    assert "<b>Subset.</b> 1 of 6 rows" in page
    assert "Rows on a subset of the official data: 1" in page
    assert "cannot be compared" in render(job.model_copy(update={"profile": "sample"}))


def test_an_empty_project_has_a_page() -> None:
    assert "no source" in render(write_project(cells=[], sources=[]))


def test_stages_of_a_log_follow_each_other() -> None:
    write_project()
    samples, losses, ends = read_log(Path("models/lite/unet/clutter-n4/seed0/log.jsonl"))
    assert samples.tolist() == [10, 20, 25, 30]
    assert losses.tolist() == pytest.approx([0.1, 0.05, 0.1, 0.05])
    assert ends == [20, 30]


def test_a_prediction_shines_in_the_colour_of_its_object() -> None:
    picture = blend(np.array([[[255, 0]], [[0, 128]]], dtype=np.uint8))
    assert picture[0, 0].tolist() == paint(np.array([[1]], dtype=np.uint8))[0, 0].tolist()
    assert picture[0, 1].tolist() == (paint(np.array([[2]], dtype=np.uint8))[0, 0].astype(int) * 128 // 255).tolist()
