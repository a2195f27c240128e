"""The table: its columns and order, differences, holes, failures, and equal bytes for equal inputs."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.closure import ROOT
from pipeline.errors import UserError
from pipeline.report.__main__ import read_job_file, write_table
from pipeline.report.job import ReportJob
from pipeline.report.row import COLUMNS, label
from pipeline.report.table import entries
from tests.report.miniature import cell, write_project, write_scores

ORDER = (
    "suite table dataset split protocol system trained_on train_list snapshot weights shots augmentation oracle metric value "
    "ci_low ci_high episodes seeds published difference profile budget schedule complete status seconds device"
)


def read(path: str = "results/all.tsv") -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def row(system: str, dataset: str, metric: str = "iou") -> dict[str, str]:
    return next(
        line for line in read() if (line["system"], line["dataset"], line["metric"]) == (system, dataset, metric)
    )


def test_columns_stand_in_the_documented_order() -> None:
    assert " ".join(COLUMNS) == ORDER


def test_a_cell_has_its_number_beside_the_published_one() -> None:
    write_table(write_project(), Path("results/all.tsv"), None)
    line = row("unet", "clutter-n4")
    hits = [episode % 11 for episode in range(30)]
    value = sum(hit / 11 for hit in hits) / 30  # 10 true pixels and 1 false one in every union
    assert line["value"] == f"{value:.6f}"
    assert (line["published"], line["difference"]) == ("0.971", f"{value - 0.971:.6f}")
    assert float(line["ci_low"]) < value < float(line["ci_high"])
    assert (line["episodes"], line["seeds"], line["status"], line["complete"]) == ("30", "1", "ok", "true")
    assert (line["seconds"], line["device"], line["budget"]) == ("11.50", "cpu (2 threads)", "0.5")
    assert (line["schedule"], row("matching", "clutter-n4")["schedule"]) == ("0.5", "")


def test_a_number_stands_in_the_table_that_prints_it() -> None:
    write_table(write_project(), Path("results/all.tsv"), None)
    line = row("matching", "clutter-n4", "localization_accuracy")
    assert (line["table"], line["value"], line["published"], line["oracle"]) == ("Table 2", "0.333333", "0.50", "true")


def test_the_value_is_the_mean_over_seeds() -> None:
    job = write_project(seeds=2)
    single = [
        entries(job.model_copy(update={"cells": [job.cells[0].model_copy(update={"scores": [[path]], "models": []})]}))
        for path in job.cells[0].files
    ]
    ours = [entry.row.value for found in single for entry in found if entry.cell]
    both = next(entry.row for entry in entries(job) if entry.cell == job.cells[0])
    assert both.value == pytest.approx(sum(value or 0 for value in ours) / 2)
    assert (both.seeds, both.seconds) == (2, 23.0)


def test_a_published_number_without_a_cell_is_a_row() -> None:
    write_table(write_project(), Path("results/all.tsv"), None)
    line = row("best_proposal", "clutter-n4")
    assert (line["status"], line["published"], line["value"]) == ("published, not run", "0.980", "")


def test_a_failed_evaluation_is_a_row() -> None:
    job = write_project()
    write_scores(job.cells[0].files[0], None, 0, status="failed", reason="out of memory", statistics={})
    write_table(job, Path("results/all.tsv"), None)
    line = row("unet", "clutter-n4")
    assert (line["status"], line["value"], line["published"]) == ("failed", "", "0.971")


def test_rows_on_a_subset_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    job = write_project()
    write_scores(job.cells[0].files[0], None, 0, complete=False)
    write_table(job, Path("results/all.tsv"), None)
    assert row("unet", "clutter-n4")["complete"] == "false"
    assert "1 of ours are on a subset" in capsys.readouterr().out


def test_rows_keep_their_order_and_equal_inputs_their_bytes() -> None:
    job = write_project()
    write_table(job, Path("results/all.tsv"), None)
    before = Path("results/all.tsv").read_bytes(), Path("results/summary.json").read_bytes()
    shuffled = job.model_copy(update={"cells": job.cells[::-1]})
    write_table(shuffled, Path("results/all.tsv"), None)
    assert before == (Path("results/all.tsv").read_bytes(), Path("results/summary.json").read_bytes())
    assert [line["dataset"] for line in read() if line["system"] == "unet"] == ["clutter-n4", "clutter-n32"]


def test_the_summary_nests_every_number() -> None:
    write_table(write_project(), Path("results/all.tsv"), None)
    nested = json.loads(Path("results/summary.json").read_text())
    value = nested["clutter"]["test_one_shot"]["localization_accuracy"]["matching"]["clutter-n32"]
    assert value == pytest.approx(1 / 3, abs=1e-6)
    assert "best_proposal" not in nested["clutter"]["test_one_shot"]["iou"]
    assert nested["clutter"]["claims"] == {"falls": "not enough budget"}


def test_one_system_needs_its_own_scores_alone() -> None:
    job = write_project()
    for each in job.cells:
        if each.system != "unet":
            Path(each.files[0]).unlink(missing_ok=True)
    write_table(job, Path("results/systems/unet.tsv"), "unet")
    assert {line["system"] for line in read("results/systems/unet.tsv")} == {"unet"}
    assert not Path("results/systems/summary.json").exists()


def test_mistakes_are_named() -> None:
    job = write_project()
    with pytest.raises(UserError, match="did you mean 'unet'"):
        entries(job, "unett")
    with pytest.raises(UserError, match=r"no\.json is missing"):
        read_job_file(Path("no.json"))
    Path("broken.json").write_text('{"profile": "lite", "cels": []}')
    with pytest.raises(UserError, match=r"broken\.json"):
        read_job_file(Path("broken.json"))
    Path(job.cells[0].files[0]).unlink()
    with pytest.raises(UserError, match=r"seed0\.json is missing"):
        entries(job)
    Path("published.tsv").write_text(Path("published.tsv").read_text().replace("97.1", "about 97"))
    with pytest.raises(UserError, match=r"published\.tsv, line 2: 'value'"):
        entries(job)


def test_the_command_imports_neither_torch_nor_matplotlib() -> None:
    write_project()
    code = "import runpy, sys; runpy.run_module('pipeline.report', run_name='__main__')"
    arguments = ["table", "--job-file", "job.json", "--output", "results/all.tsv"]
    loaded = f"import atexit, sys; atexit.register(lambda: print([m for m in ('torch', 'matplotlib') if m in sys.modules])); {code}"
    done = subprocess.run(
        [sys.executable, "-c", loaded, *arguments], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[]"


CANDIDATES = [(f"results/scores/own{i}.json", f"results/scores/other{i}.json") for i in range(3)]


def chosen(**more: Any) -> ReportJob:
    """The job of one cell whose weights are chosen among three, after 20, 60 and 100 % of the training."""
    choice = {"metric": "iou", "shots": 1, "percents": [20, 60, 100], "among": [[dict(CANDIDATES)]]}
    own = {"snapshot": "val_train", "choice": choice, "scores": [[CANDIDATES[2][0]]]}
    return write_project(cells=[cell("unet", 4, "iou", 1) | own | more])


def put(shifts: Sequence[int]) -> None:
    """Scores with (e + shift) % 11 hits, by which to choose; what is chosen scores the other way round."""
    for (own, other), shift in zip(CANDIDATES, shifts, strict=True):
        write_scores(own, None, 10 - shift)
        write_scores(other, None, shift)


@pytest.mark.parametrize(
    ("shifts", "best", "percent"),
    [((0, 3, 5), 1, 60), ((5, 0, 3), 2, 100), ((0, 3, 3), 2, 100), ((3, 3, 0), 1, 60), ((3, 5, 0), 0, 20)],
)
def test_weights_are_chosen_by_other_episodes_and_of_equals_the_more_trained_ones(
    shifts: Sequence[int], best: int, percent: int
) -> None:
    job = chosen()
    put(shifts)
    (found,) = [entry for entry in entries(job) if entry.cell]
    assert found.cell is not None
    assert found.cell.scores == [[CANDIDATES[best][0]]]
    assert (found.row.snapshot, found.row.published) == (f"val_train: {percent}%", Decimal("0.971"))
    assert found.row.schedule == pytest.approx(0.5 * percent / 100)
    assert label(found.row) == "unet, chosen on val_train"
    plain = job.cells[0].model_copy(update={"scores": [[CANDIDATES[best][0]]], "choice": None, "snapshot": ""})
    (alone,) = [entry for entry in entries(job.model_copy(update={"cells": [plain]})) if entry.cell]
    assert found.row.value == alone.row.value


@pytest.mark.parametrize("which", [0, 1])
def test_a_candidate_that_failed_is_not_chosen(which: int) -> None:
    job = chosen()
    put((0, 3, 1))
    write_scores(CANDIDATES[1][which], None, 0, status="failed", reason="no memory", statistics={})
    (found,) = [entry for entry in entries(job) if entry.cell]
    assert (found.row.snapshot, found.row.status) == ("val_train: 100%", "ok")


def test_where_all_failed_the_row_failed() -> None:
    job = chosen()
    put((0, 3, 1))
    for own, _ in CANDIDATES:
        write_scores(own, None, 0, status="failed", reason="no memory", statistics={})
    (found,) = [entry for entry in entries(job) if entry.cell]
    assert found.row.status == "failed"


def test_of_several_seeds_each_has_its_own_choice() -> None:
    among = [[dict(CANDIDATES)], [dict(reversed(CANDIDATES))]]
    job = chosen(choice={"metric": "iou", "shots": 1, "percents": [20, 60, 100], "among": among}, scores=[["a"], ["b"]])
    put((5, 1, 0))
    (found,) = [entry for entry in entries(job) if entry.cell]
    assert (found.row.snapshot, found.row.seeds) == ("val_train: 20%, 100%", 2)


def test_videos_without_a_truth_are_a_row_without_a_number() -> None:
    job = write_project(cells=[cell("unet", 4, "iou", 1)])
    write_scores(job.cells[0].files[0], None, 0, statistics={1: {"overlap": {}}}, names=["gold-fish"])
    (found,) = [entry for entry in entries(job) if entry.cell]
    assert (found.row.value, found.row.episodes, found.row.status) == (None, 0, "not applicable")


def test_weights_on_the_way_stand_beside_no_published_number() -> None:
    job = write_project(cells=[cell("unet", 4, "iou", 1) | {"snapshot": "40%"}])
    (found,) = [entry for entry in entries(job) if entry.cell]
    assert (found.row.snapshot, found.row.table, found.row.published) == ("40%", "", None)
    assert label(found.row) == "unet, after 40% of training"
