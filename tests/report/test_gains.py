"""Gains: paired differences, on the episodes of both sides, in sentences with their evidence."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.manifest import write_json
from pipeline.report.claims import judge
from pipeline.report.gains import gains
from pipeline.report.interval import interval, resampled
from pipeline.report.job import Cell, ReportJob, Suite
from pipeline.report.per_episode import episode_table
from pipeline.report.shown import Above, Episodes
from pipeline.report.table import entries
from pipeline.report.tally import Tally, difference


def tally(values, episodes=None):
    values = np.array(values, float)
    numbers = np.arange(len(values)) if episodes is None else np.array(episodes)
    sums = np.stack([values, np.ones_like(values)], axis=-1)
    return Tally(numbers.astype(np.int64), sums, lambda total: total[..., 0] / total[..., 1])


def test_a_difference_is_of_common_episodes():
    found = difference(tally([0.5, 0.7, 0.9], [0, 1, 2]), tally([0.1, 0.5], [2, 1]))
    assert found.episodes.tolist() == [1, 2]
    assert found.value == pytest.approx((0.7 + 0.9) / 2 - (0.5 + 0.1) / 2)


def test_a_constant_gain_has_no_width_however_far_episodes_differ():
    rng = np.random.default_rng(0)
    base = rng.random(30)
    low, high = interval([difference(tally(base + 0.01), tally(base))], 200)
    assert low == pytest.approx(0.01)
    assert high == pytest.approx(0.01)


def test_seeds_are_drawn_where_asked():
    seeds = [tally([0.1, 0.1]), tally([0.3, 0.3])]
    assert np.ptp(resampled(seeds, 100)) == pytest.approx(0)
    drawn = np.unique(resampled(seeds, 100, seeds=True).round(6))
    assert drawn.tolist() == [0.1, 0.2, 0.3]


def test_a_gain_and_a_claim_about_both_sides_have_the_same_interval():
    rng = np.random.default_rng(0)
    own, other = ([tally(rng.random(20)) for _ in range(3)] for _ in range(2))
    gain = resampled([difference(*pair) for pair in zip(own, other, strict=True)], 100, seeds=True)
    sides = resampled(own, 100, seeds=True) - resampled(other, 100, seeds=True)
    assert gain == pytest.approx(sides)


def column(values):
    n = len(values)
    return {"episode": list(range(n)), "value": values}


def write(path, values, **more):
    statistics = {1: {"it": column(values)}}
    header = {"recipe": {}, "code": "", "inputs": {}, "complete": True, "weights": "none", "statistics": statistics}
    write_json(path, header | {"names": ["a", "b", "c"]} | more)


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Two ways to extend supports of one system, three videos; under one of them the last video failed."""
    monkeypatch.chdir(tmp_path)
    for name in ("published", "recorded"):
        (tmp_path / f"{name}.tsv").write_text("")
    write(tmp_path / "none.json", [0.5, 0.6, 0.7])
    write(tmp_path / "osmis.json", [0.6, 0.7], failed={2: "the loss is nan"})
    (tmp_path / "published.tsv").write_text(
        "table\tdataset\tsplit\tprotocol\tsystem\ttrained_on\tshots\taugmentation\tmetric\tvalue\tscale\tnote\n"
    )

    def cell(augmentation, metric, reference=()):
        return Cell(
            suite="s", track="t", table="", dataset="davis16", split="val", protocol="davis", system="osvos",
            trained_on=None, train_list="", shots=1, augmentation=augmentation, oracle=False, metric=metric,
            scores=[[f"{augmentation}.json"]], models=[], reference=[[path] for path in reference],
        )  # fmt: skip

    metric = {"statistic": "it", "aggregate": "mean", "parameters": {"column": "value"}}
    suite = Suite(
        name="s", title="", paper="", published="published.tsv", recorded="recorded.tsv", tracks={"t": ""},
        metrics={"j_and_f": metric, "j_and_f_gain": metric | {"gain": True}},
    )  # fmt: skip
    cells = [cell("none", "j_and_f"), cell("osmis", "j_and_f"), cell("osmis", "j_and_f_gain", ["none.json"])]
    return ReportJob(profile="lite", budget=1, suites=[suite], cells=cells, sources=[])


def test_a_gain_is_a_sentence_with_its_evidence(job):
    (gain,) = gains(entries(job))
    assert gain.effect == "helps"
    assert gain.sentence == (
        "Synthetic data of osmis helps osvos on davis16: +10.0 points of J&F [+10.0, +10.0] "
        "against the one annotated image alone (2 episodes, 1 run)"
    )


def test_a_gain_of_several_supports_says_so(job):
    many = [cell.model_copy(update={"shots": 5}) for cell in job.cells]
    for path in ("none.json", "osmis.json"):
        scores = json.loads(Path(path).read_text())
        Path(path).write_text(json.dumps(scores | {"statistics": {"5": scores["statistics"]["1"]}}))
    (gain,) = gains(entries(job.model_copy(update={"cells": many})))
    assert "osvos on davis16 with 5 supports: +10.0 points" in gain.sentence
    assert "against the 5 annotated images alone (" in gain.sentence


def test_a_failed_video_leaves_a_marked_row(job):
    status = {(e.row.augmentation, e.row.metric): e.row.status for e in entries(job)}
    assert status["none", "j_and_f"] == "ok"
    assert status["osmis", "j_and_f"] == "partly failed"


def test_every_video_has_its_value_or_its_failure(job):
    plot = Episodes(kind="episodes", title="", track="t", metric="j_and_f")
    table = episode_table(plot, job.cells, job.suites[0].metrics["j_and_f"])
    assert table.systems == ["osvos", "osvos, osmis"]
    assert table.rows[0] == ("a", [pytest.approx(0.5), pytest.approx(0.6)])
    assert table.rows[2] == ("c", [pytest.approx(0.7), None])
    assert table.failed == ["c, osvos, osmis: the loss is nan"]


@pytest.fixture
def diverged(job):
    """The job with a second seed of the extended supports, in which another video failed."""
    columns = {"episode": [0, 2], "value": [0.8, 0.9]}
    write(Path("osmis1.json"), [], failed={1: "the loss is inf"}, statistics={1: {"it": columns}})
    none, osmis, gain = job.cells
    cells = [none, osmis.model_copy(update={"scores": [["osmis.json"], ["osmis1.json"]]}), gain]
    return job.model_copy(update={"cells": cells})


def test_a_video_that_one_seed_lost_counts_in_no_seed(diverged):
    row = next(e.row for e in entries(diverged) if (e.row.augmentation, e.row.metric) == ("osmis", "j_and_f"))
    assert (row.value, row.episodes, row.seeds, row.status) == (pytest.approx(0.7), 1, 2, "partly failed")


def test_seeds_that_lost_all_videos_between_them_leave_a_failed_row(diverged):
    columns = {"episode": [2], "value": [0.5]}
    write(Path("osmis1.json"), [], failed={0: "no", 1: "no"}, statistics={1: {"it": columns}})
    row = next(e.row for e in entries(diverged) if (e.row.augmentation, e.row.metric) == ("osmis", "j_and_f"))
    assert (row.value, row.episodes, row.status) == (None, 0, "failed")


def test_failures_of_every_seed_are_listed(diverged):
    plot = Episodes(kind="episodes", title="", track="t", metric="j_and_f")
    table = episode_table(plot, diverged.cells, diverged.suites[0].metrics["j_and_f"])
    assert table.failed == ["c, osvos, osmis: the loss is nan", "b, osvos, osmis: the loss is inf"]
    assert table.rows[1] == ("b", [pytest.approx(0.6), pytest.approx(0.7)])


def test_a_claim_rests_on_the_episodes_of_every_seed(diverged):
    side = {"system": "osvos", "trained_on": None}
    claim = Above(
        name="helps", says="", source="", kind="above", track="t", split="val", metric="j_and_f", datasets=["davis16"],
        above=side | {"augmentation": "osmis"}, below=side | {"augmentation": "none"},
    )  # fmt: skip
    (check,) = judge(claim, diverged.suites[0], entries(diverged), 20).checks
    assert check.value == pytest.approx(0.7 - 0.5)
