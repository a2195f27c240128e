"""Claims: each kind and each verdict, on scores made so that the answer is known."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.manifest import write_json
from pipeline.report.claims import Judgement, judge_all
from pipeline.report.job import ReportJob
from pipeline.report.page import measured
from pipeline.report.table import entries
from tests.report.miniature import CLAIM, SUITE, cell, distance, overlap, write_project, write_scores

FALLS = {"kind": "falls", "of": {"system": "unet"}}
ABOVE = {"kind": "above", "above": {"system": "unet"}, "below": {"system": "matching"}}
MEAN = {**ABOVE, "average": True}
FLAT = {"kind": "flat", "of": {"system": "unet"}}
FASTER = {"kind": "faster", "fast": {"system": "unet"}, "slow": {"system": "matching"}, "datasets": ["clutter-n4"]}
WITHIN = {"kind": "within", "of": {"system": "unet"}}


def put(system: str, level: int, hits: int, episodes: int = 30, seed: int = 0, **more: Any) -> None:
    """Scores whose every episode has IoU hits / 10, with some noise around it."""
    columns = overlap(episodes) | {"fp@0.3": [0] * episodes}
    columns["tp@0.3"] = [hits + (-1, 0, 1)[episode % 3] for episode in range(episodes)]
    statistics = {1: {"overlap": columns, "centre_distance": distance(episodes)}}
    path = cell(system, level, "iou", seed + 1)["scores"][seed][0]
    write_scores(path, None, seed, **{"statistics": statistics, **more})


def judge(claim: dict[str, Any], job: ReportJob | None = None) -> Judgement:
    job = job or write_job()
    values = {"name": "it", "says": "It is so.", **CLAIM, **claim}
    suite = job.suites[0].model_validate(SUITE | {"claims": [values]})
    job = job.model_copy(update={"suites": [suite]})
    return judge_all(job, entries(job))["clutter"][0]


def write_job(**schedule: float) -> ReportJob:
    """The network has 0.8, then 0.4; template matching 0.5, then 0.5."""
    job = write_project()
    for system, level, hits in (("unet", 4, 8), ("unet", 32, 4), ("matching", 4, 5), ("matching", 32, 5)):
        put(system, level, hits)
    cells = [each.model_copy(update=schedule if each.models else {}) for each in job.cells]
    return job.model_copy(update={"cells": cells})


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (FALLS, "holds"),
        (FALLS | {"datasets": ["clutter-n32", "clutter-n4"]}, "does not hold"),
        (FALLS | {"of": {"system": "matching"}}, "not enough budget"),  # the same on both: 0 is inside the interval
        (ABOVE, "does not hold"),  # at one of two levels
        (ABOVE | {"datasets": ["clutter-n4"]}, "holds"),
        (ABOVE | {"datasets": ["clutter-n4"], "by": 0.25}, "holds"),
        (ABOVE | {"datasets": ["clutter-n4"], "by": 0.35}, "does not hold"),
        (ABOVE | {"datasets": ["clutter-n4"], "most": 0.2}, "does not hold"),
        (MEAN, "holds"),
        (MEAN | {"by": 0.2}, "does not hold"),
        (FLAT | {"most": 0.5}, "holds"),
        (FLAT | {"most": 0.3}, "does not hold"),
        (WITHIN | {"datasets": ["clutter-n32"], "most": 0.5}, "holds"),
        (WITHIN | {"datasets": ["clutter-n32"], "least": 0.3, "most": 0.4}, "not enough budget"),
        (WITHIN | {"least": 0.6}, "does not hold"),
    ],
)
def test_the_verdict_is_the_side_on_which_the_interval_lies(claim: dict[str, Any], verdict: str) -> None:
    assert judge(claim).verdict == verdict


def test_a_check_has_the_numbers_of_both_sides_and_the_printed_ones() -> None:
    check = judge(FALLS).checks[0]
    assert (check.where, check.verdict) == ("clutter-n4 to clutter-n32", "holds")
    assert check.value == pytest.approx(-0.4)
    assert check.printed == pytest.approx(0.624 - 0.971)
    assert (check.low, check.high) == pytest.approx((-0.4, -0.4))  # the same noise on both levels


def test_the_comparison_is_paired() -> None:
    value = judge(WITHIN | {"most": 1}).checks[0]
    assert value.low is not None
    assert value.low < 0.79
    difference = judge(ABOVE).checks[0]  # the same noise on both sides: none is left
    assert (difference.low, difference.high) == pytest.approx((0.3, 0.3))


def test_systems_meet_on_the_episodes_that_both_answered() -> None:
    job = write_job()
    put("matching", 4, 5, episodes=9)
    check = judge(ABOVE | {"datasets": ["clutter-n4"], "most": 0.3}, job).checks[0]
    assert "too few episodes: 9" in check.why


def test_seeds_that_disagree_prove_nothing() -> None:
    job = write_project(seeds=2)
    for seed, hits in enumerate((8, 4)):  # 0.6 in the mean
        for system, found in (("unet", hits), ("matching", 5)):
            put(system, 4, found, seed=seed)
    check = judge(ABOVE | {"datasets": ["clutter-n4"]}, job).checks[0]
    assert (check.value, check.low, check.high) == pytest.approx((0.1, -0.1, 0.3))
    assert check.verdict == "not enough budget"
    assert check.why == "too few episodes or seeds: 30 under 2, the interval contains the border"


def test_a_level_that_fails_is_named() -> None:
    judged = judge(ABOVE)
    assert judged.why == "not so (clutter-n32)"
    assert [check.verdict for check in judged.checks] == ["holds", "does not hold"]


def test_too_short_a_training_proves_nothing() -> None:
    judged = judge(FALLS, write_job(schedule=0.019))
    assert judged.verdict == "not enough budget"
    assert "unet saw 1.9 % of the published training, less than 2 %" in judged.why
    assert judge(FALLS, write_job(schedule=0.02)).verdict == "holds"


def test_partial_data_prove_nothing() -> None:
    job = write_job()
    put("unet", 32, 4, complete=False)
    judged = judge(FALLS, job)
    assert judged.verdict == "not enough budget"
    assert "a subset" in judged.why


def test_what_was_not_run_or_failed_is_named() -> None:
    job = write_job()
    write_scores(job.cells[0].files[0], None, 0, status="failed", reason="out of memory", statistics={})
    judged = judge(WITHIN | {"datasets": ["clutter-n4", "clutter-n32"], "most": 0.5}, job)
    assert (judged.verdict, judged.why) == ("not run", "no number: unet failed on clutter-n4")
    assert judge(FALLS, job).verdict == "not run"


def test_a_system_that_was_not_run_is_named() -> None:
    judged = judge(ABOVE | {"below": {"system": "masknet"}})
    assert (judged.verdict, judged.why) == ("not run", "no number: masknet on clutter-n4, clutter-n32")


def test_a_mean_over_some_of_its_data_sets_refutes_nothing() -> None:
    assert judge(MEAN | {"by": 0.9, "datasets": ["clutter-n4", "clutter-n8"]}).verdict == "not run"


def test_another_split_of_the_same_system_is_a_side() -> None:
    job = write_job()
    again = job.cells[0].model_copy(update={"split": "test_train"})
    job = job.model_copy(update={"cells": [*job.cells, again]})
    sides = {"above": {"system": "unet", "split": "test_train"}, "below": {"system": "unet"}}
    check = judge(ABOVE | sides | {"datasets": ["clutter-n4"]}, job).checks[0]
    assert (check.value, check.verdict) == (0.0, "not enough budget")


def test_of_several_training_sets_a_side_may_name_one() -> None:
    job = write_job()
    easy, hard = (each for each in job.cells[:4] if each.system == "unet" and each.metric == "iou")
    moved = hard.model_copy(update={"dataset": "clutter-n4"})  # trained on clutter-n32, IoU 0.4
    job = job.model_copy(update={"cells": [moved, *job.cells]})
    unet = {"system": "unet"}
    sides = {"above": unet | {"trained_on": "clutter-n4"}, "below": unet | {"trained_on": "clutter-n32"}}
    check = judge(ABOVE | sides | {"datasets": ["clutter-n4"]}, job).checks[0]
    assert (easy.trained_on, moved.trained_on) == ("clutter-n4", "clutter-n32")
    assert check.value == pytest.approx(0.4)


def timed(system: str, seconds: float, device: str = "cpu (2 threads)") -> None:
    """Put the seconds of an episode beside the scores at level 4."""
    path = Path(cell(system, 4, "iou", 1)["scores"][0][0].replace(".json", ".timing.json"))
    write_json(path, {"seconds": 9, "device": device, "shots": {1: {"median": seconds, "episodes": 7}}})


@pytest.mark.parametrize(("by", "verdict"), [(3.0, "holds"), (5.0, "does not hold")])
def test_a_ratio_of_seconds_is_judged_by_itself(by: float, verdict: str) -> None:
    job = write_job()
    timed("unet", 0.5)
    timed("matching", 2.0)
    found = judge(FASTER | {"by": by}, job)
    assert (found.verdict, found.checks[0].value) == (verdict, 4.0)
    assert measured(found.checks[0], found.claim) == "clutter-n4: 4.0 times"


def test_seconds_that_were_not_taken_or_not_on_one_device_prove_nothing() -> None:
    job = write_job()
    timed("unet", 0.5)
    found = judge(FASTER | {"by": 3.0}, job)
    assert (found.verdict, found.why) == ("not run", "no episode of one of them was timed alone (clutter-n4)")
    timed("matching", 2.0, device="a card")
    found = judge(FASTER | {"by": 3.0}, job)
    assert (found.verdict, found.why) == ("not enough budget", "they were timed on different devices (clutter-n4)")
