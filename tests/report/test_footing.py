"""Parameters, seconds of an episode, IoU of each class, and why numbers differ, on the page; several folds together."""

import csv
from pathlib import Path
from typing import Any

import pytest

from pipeline.manifest import write_json
from pipeline.report.__main__ import write_table
from pipeline.report.claims import judge_all
from pipeline.report.footing import per_class, sizes, speeds
from pipeline.report.job import Cell, ReportJob
from pipeline.report.page import render
from pipeline.report.row import label
from pipeline.report.table import entries
from tests.report.miniature import SUITE, overlap, write_project, write_scores

POOLED: dict[str, Any] = {
    "metrics": SUITE["metrics"]
    | {"miou": {"statistic": "overlap", "aggregate": "class_iou", "parameters": {"threshold": 0.3}}},
    "classes": {1: "boat", 2: "train"},
    "parameters": [{"system": "unet", "printed": "1 M", "source": "Table 6"}],
    "times": [{"system": "unet", "shots": 1, "seconds": 0.5, "source": "Table 7"}],
    "facts": {"unet": ["Its trunk is <small>."]},
    "differences": {
        "protocols": {"clutter": "All episodes once."},
        "disagreements": [{"about": "Momentum", "paper": "0.9", "code": "0.99", "here": "0.99"}],
    },
    "figures": [
        {"kind": "shots", "title": "Supports", "track": "scenes", "metric": "miou", "split": "test_one_shot"}
        | {"dataset": "clutter"}
    ],
}
TIMING = {"seconds": 9, "device": "a card", "shots": {"1": {"median": 0.25, "episodes": 7}}, "memory": 3 << 20}


def scores(path: str, hits: int, kind: int, episodes: int) -> None:
    """Every episode hits `hits` of 10 true pixels of the class `kind`."""
    columns = overlap(episodes) | {"tp@0.3": [hits] * episodes, "fp@0.3": [0] * episodes, "class": [kind] * episodes}
    write_scores(path, None, 0, statistics={1: {"overlap": columns}})


def write(**changes: Any) -> ReportJob:
    """A network scored on two levels together: 0.8 on ten boats, 0.2 on twenty trains."""
    job = write_project()
    one, other = [cell for cell in job.cells if cell.system == "unet"]
    for (path,), hits, kind, count in ((one.scores[0], 8, 1, 10), (other.scores[0], 2, 2, 20)):
        scores(path, hits, kind, count)
    write_json(Path(one.files[0].replace(".json", ".timing.json")), TIMING)
    both = {"scores": [[*one.files, *other.files]], "models": [*one.models, *other.models]}
    both |= {"dataset": "clutter", "trained_on": "clutter", "metric": "miou"}
    cell = one.model_copy(update=both | changes)
    suite = job.suites[0].model_validate(SUITE | POOLED)
    return job.model_copy(update={"suites": [suite], "cells": [cell, one]})


def line() -> dict[str, str]:
    with Path("results/all.tsv").open(newline="") as file:
        return next(line for line in csv.DictReader(file, delimiter="\t") if line["metric"] == "miou")


def test_levels_scored_together_are_one_row() -> None:
    write_table(write(), Path("results/all.tsv"), None)
    found = line()
    assert (found["value"], found["episodes"], found["seeds"], found["complete"]) == ("0.500000", "30", "1", "true")
    assert (found["ci_low"], found["ci_high"]) == ("0.500000", "0.500000")  # drawn within each level


def test_fewer_levels_than_the_study_has_are_a_subset() -> None:
    write_table(write(whole=False), Path("results/all.tsv"), None)
    assert line()["complete"] == "false"


def test_parameters_stand_beside_the_printed_ones() -> None:
    job = write()
    model = Path(job.cells[0].models[0])
    model.write_text(model.read_text().replace('"kind": "model"', '"counts": {"parameters": 1234}, "kind": "model"'))
    (found,) = sizes(job.suites[0], job.cells)
    assert (found.system, found.parameters, found.printed) == ("unet", 1234, "1 M")


def test_seconds_stand_beside_the_printed_ones() -> None:
    job = write()
    (found,) = speeds(job.suites[0], job.cells)
    assert found.printed is not None
    assert (found.seconds, found.episodes, found.memory, found.printed.seconds) == (0.25, 7, 3 << 20, 0.5)
    assert found.split == "clutter-n4, test_one_shot"


def test_each_class_is_pooled_over_its_own_episodes() -> None:
    job = write()
    (found,) = per_class(job.suites[0], job.cells)
    assert found.values == {1: 0.8, 2: 0.2}


def test_a_class_that_the_first_run_misses_is_that_of_the_others() -> None:
    job = write()
    cell = job.cells[0].model_copy(update={"scores": [[path] for path in job.cells[0].files]})
    (found,) = per_class(job.suites[0], [cell])
    assert found.values == {1: 0.8, 2: 0.2}


def test_the_page_shows_all_of_it() -> None:
    page = render(write())
    for text in (
        "<th>boat</th>",
        "1 M",
        "<b>0.25</b>",
        "3 MiB",
        "All episodes once.",
        "0.99",
        "trunk is &lt;small&gt;",
    ):
        assert text in page
    assert page.count("<svg") == 2  # by shots and learning; several models together have no curve


@pytest.mark.parametrize(
    ("dataset", "trained_on", "home", "wanted"),
    [
        ("pascal5i-fold0", "pascal5i_semantic-fold0", True, "unet"),
        ("pascal5i-fold0", "pascal5i_base_only-fold0", False, "unet, trained on pascal5i_base_only"),
        ("pascal5i", "pascal5i_base_only", False, "unet, trained on pascal5i_base_only"),
        ("pascal5i", "pascal5i", True, "unet"),
        ("pascal5i-fold0", "any", False, "unet"),
        ("pascal5i-fold0", "pascal5i_semantic-fold1", False, "unet, trained on pascal5i_semantic-fold1"),
        ("clutter-n4", "clutter-all", False, "unet, trained on clutter-all"),
    ],
)
def test_a_label_tells_a_foreign_training_set(dataset: str, trained_on: str, home: bool, wanted: str) -> None:
    cell = write().cells[0]
    changes = {"dataset": dataset, "trained_on": trained_on, "home": home}
    assert label(Cell.model_validate(cell.model_dump() | changes)) == wanted


def test_a_claim_is_about_the_training_set_of_the_track() -> None:
    job = write(home=True)
    foreign = job.cells[0].model_copy(update={"trained_on": "abroad", "home": False, "scores": job.cells[1].scores})
    claim = {"name": "it", "says": "So.", "source": "Table 1", "kind": "within", "of": {"system": "unet"}, "least": 0}
    claim |= {"metric": "miou", "datasets": ["clutter"], "track": "scenes", "split": "test_one_shot"}
    suite = job.suites[0].model_validate(job.suites[0].model_dump() | {"claims": [claim]})
    job = job.model_copy(update={"suites": [suite], "cells": [foreign, job.cells[0]]})
    (judged,) = judge_all(job, entries(job))["clutter"]
    assert judged.checks[0].value == pytest.approx(0.5)  # abroad it has 0.8
