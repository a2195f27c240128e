"""Figures: which systems, splits and tracks a curve has, one target at all levels, and colours that differ."""

import re
from dataclasses import replace
from typing import Any

import pytest

from pipeline.report.course import course
from pipeline.report.curves import curve, sweep
from pipeline.report.figure import marks
from pipeline.report.job import ReportJob
from pipeline.report.page import render
from pipeline.report.row import label
from pipeline.report.shown import Course, Curve, Levels, Sweep
from pipeline.report.strips import at_levels
from pipeline.report.table import entries
from tests.report.miniature import FIGURES, write_project, write_scores

CURVE, SWEEP, LEVELS = FIGURES


def drawn(job: ReportJob, **changes: Any) -> str:
    found = entries(job)
    mark = marks(label(entry.row) for entry in found)
    return curve(Curve.model_validate(CURVE | changes), found, mark) or ""


def with_copies(**changes: Any) -> ReportJob:
    """The project, and its network's cells once more, changed."""
    job = write_project()
    copies = [cell.model_copy(update=changes) for cell in job.cells if cell.system == "unet"]
    return job.model_copy(update={"cells": [*job.cells, *copies]})


def test_a_curve_draws_all_systems_or_those_it_names() -> None:
    job = write_project()
    every = drawn(job)
    assert all(f">{name}<" in every for name in ("unet", "matching", "best_proposal"))
    one = drawn(job, systems=["unet"])
    assert ">unet<" in one
    assert ">matching<" not in one
    assert drawn(job, systems=["nobody"]) == ""


def test_two_splits_of_a_system_are_two_lines_of_one_colour_family() -> None:
    both = drawn(with_copies(split="test_train"), systems=["unet"], splits=["test_one_shot", "test_train"])
    assert ">unet, test_one_shot<" in both
    assert ">unet, test_train<" in both


def test_lines_of_several_tracks_share_a_curve() -> None:
    job = with_copies(track="joint", trained_on="clutter-all")
    assert "trained on clutter-all" not in drawn(job)
    assert ">unet, trained on clutter-all<" in drawn(job, tracks=["scenes", "joint"])


def test_a_curve_may_have_a_line_for_each_training_set() -> None:
    job = with_copies(trained_on="clutter-all")
    lines = drawn(job, systems=["unet"], lines="trained_on")
    assert all(f">unet, trained on {name}<" in lines for name in ("clutter-n4", "clutter-n32", "clutter-all"))


def test_a_curve_may_have_a_line_for_each_second_level() -> None:
    lines = drawn(write_project(), systems=["unet"], lines="dataset", x="clutter-n(\\d)(\\d?)")
    assert ">unet, <" in lines
    assert ">unet, 2<" in lines


def test_a_level_of_the_training_set_is_not_foreign_to_it() -> None:
    row = entries(write_project())[0].row
    named = {
        "colltex": "colltex-n5-p64",
        "clutter-n8": "clutter-n8_background",
    }
    labels = [label(replace(row, system="unet", trained_on=a, dataset=b)) for a, b in named.items()]
    assert labels == ["unet", "unet, trained on clutter-n8"]


def test_a_sweep_has_a_panel_for_each_system_it_names() -> None:
    job = write_project()
    metric = job.suites[0].metrics["iou"]
    both = sweep(Sweep.model_validate(SWEEP), entries(job), metric) or ""
    assert all(f">{name}<" in both for name in ("unet", "matching"))
    one = sweep(Sweep.model_validate(SWEEP | {"systems": ["matching"]}), entries(job), metric) or ""
    assert ">unet<" not in one


COURSE = {"kind": "course", "title": "Along", "metric": "iou", "datasets": ["clutter-n4"], "splits": ["test_one_shot"]}


def along(job: ReportJob, **changes: Any) -> str:
    found = entries(job)
    return course(Course.model_validate(COURSE | changes), found, marks(label(e.row) for e in found if e.last)) or ""


def test_a_course_leads_over_the_snapshots_to_the_last_weights() -> None:
    job = with_copies(snapshot="40%")
    figure = along(job)
    assert ">unet<" in figure
    assert all(name not in figure for name in ("matching", "after 40%"))
    assert ">100<" in figure
    assert along(write_project()) == ""
    assert along(job, datasets=["clutter-n8"]) == ""


def test_a_system_without_snapshots_stands_across_where_it_is_named() -> None:
    job = with_copies(snapshot="40%")
    assert ">matching<" in along(job, systems=["unet", "matching"])


def test_what_was_chosen_is_a_dotted_line_of_its_system() -> None:
    way, chosen = with_copies(snapshot="40%"), with_copies(snapshot="val_train: 40%")
    both = way.model_copy(update={"cells": [*way.cells, *chosen.cells[len(write_project().cells) :]]})
    dots = "stroke-dasharray: 1.1,1.815"
    assert dots in along(both)
    assert dots not in along(way)


def test_the_page_shows_last_weights_alone_but_for_tables_of_chosen_ones() -> None:
    plain = write_project()
    copies = []
    for each in [cell for cell in plain.cells if cell.system == "unet"]:
        path = each.files[0].replace("/seed0", "-way/seed0")
        write_scores(path, each.models[0], 7)  # other numbers
        copies.append(each.model_copy(update={"snapshot": "40%", "scores": [[path]]}))
    both = plain.model_copy(update={"cells": [*copies, *plain.cells]})
    first = [line for line in render(plain).splitlines() if "rows of ours" not in line and "evaluations" not in line]
    other = [line for line in render(both).splitlines() if "rows of ours" not in line and "evaluations" not in line]
    seconds = [n for n, line in enumerate(first) if "seconds: the one line" in line]
    assert [line for n, line in enumerate(other) if n - 1 not in seconds] == [
        line for n, line in enumerate(first) if n - 1 not in seconds
    ]
    chosen = [cell.model_copy(update={"snapshot": "val_train: 40%"}) for cell in copies]
    assert "unet, chosen on val_train" in render(plain.model_copy(update={"cells": [*chosen, *plain.cells]}))


def test_one_target_at_all_levels_is_the_first_episode_of_each() -> None:
    job = write_project()
    strip = at_levels(Levels.model_validate(LEVELS), job.cells)
    assert [name for name, _ in strip] == ["clutter-n4", "clutter-n32"]
    assert len({episode.supports[0] for _, episode in strip}) == 1
    assert at_levels(Levels.model_validate(LEVELS | {"split": "test_train"}), job.cells) == []
    assert "One target" in render(job)


def test_names_have_marks_of_their_own() -> None:
    found = marks(f"system{number}" for number in range(30))
    assert len(set(found.values())) == 30
    assert len({colour for colour, _ in list(found.values())[:10]}) == 10


@pytest.mark.parametrize("count", [1, 5, 23])
def test_a_legend_fits_its_figure(count: int) -> None:
    job = write_project()
    copies = [
        cell.model_copy(update={"system": f"a_system_with_a_name-{number}"})
        for number in range(count)
        for cell in job.cells[:1]
    ]
    figure = drawn(job.model_copy(update={"cells": copies}))
    high = float(re.findall(r'viewBox="0 0 \S+ (\S+)"', figure)[0])
    places = [float(y) for y in re.findall(r'<text [^>]*?y="([^"]+)"', figure)]
    assert len(places) > count
    assert 0 < min(places) < max(places) < high
