"""Recording: numbers of real runs go into recorded.tsv, newer ones in place of older ones of their key."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.report.page import render
from pipeline.report.published import read_published
from pipeline.report.recorded import read_recorded, record
from pipeline.report.table import entries
from tests.report.miniature import write_project


def test_a_run_is_recorded_once() -> None:
    job = write_project()
    record(job, entries(job), "first")
    record(job, entries(job), "again")
    rows = read_recorded(Path("recorded.tsv"))
    assert len(rows) == len(job.cells)
    assert {row.note for row in rows} == {"again"}


def test_a_record_tells_what_it_was_trained_on() -> None:
    job = write_project()
    record(job, entries(job), "")
    rows = {(row.system, row.dataset, row.metric): row for row in read_recorded(Path("recorded.tsv"))}
    unet = rows["unet", "clutter-n4", "iou"]
    assert (unet.samples, unet.episodes, unet.seconds, unet.device) == (30, 30, 11.5, "cpu (2 threads)")
    assert (unet.schedule, rows["matching", "clutter-n4", "iou"].schedule) == (0.5, None)
    assert rows["matching", "clutter-n4", "iou"].samples is None
    assert unet.row("clutter", []).value == pytest.approx(entries(job)[1].row.value, abs=1e-6)


def test_a_snapshot_is_recorded_beside_the_last_weights() -> None:
    job = write_project()
    way = job.cells[0].model_copy(update={"snapshot": "40%"})
    job = job.model_copy(update={"cells": [job.cells[0], way]})
    record(job, entries(job), "")
    last, earlier = sorted(read_recorded(Path("recorded.tsv")), key=lambda row: row.snapshot)
    assert (last.snapshot, last.samples, earlier.snapshot, earlier.samples) == ("", 30, "40%", 12)
    published = read_published(Path("published.tsv"))
    assert (last.row("clutter", published).published, earlier.row("clutter", published).published) == (
        Decimal("0.971"),
        None,
    )


def test_a_mean_over_some_of_its_levels_is_not_recorded() -> None:
    job = write_project()
    first, *others = [entry for entry in entries(job) if entry.cell]
    parts = [replace(entry, cell=entry.cell.model_copy(update={"whole": False})) for entry in others if entry.cell]
    record(job, [first, *parts], "")
    (row,) = read_recorded(Path("recorded.tsv"))
    assert (row.system, row.dataset, row.metric) == (first.row.system, first.row.dataset, first.row.metric)


def test_the_page_shows_what_is_recorded_beside_the_paper() -> None:
    job = write_project()
    record(job, entries(job), "an earlier run")
    assert "an earlier run" in render(job)


def test_the_sample_is_not_recorded() -> None:
    job = write_project(profile="sample")
    with pytest.raises(UserError, match="made-up data"):
        record(job, entries(job), "")
