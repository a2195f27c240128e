"""The PASCAL-5i suite as data: its published numbers against figures copied from the papers' tables, and its claims."""

from decimal import Decimal

import pytest

from pipeline.closure import ROOT
from pipeline.report.published import Published, read_published
from pipeline.report.shown import Above, Faster, Line
from pipeline.settings import load_settings
from pipeline.suite import Suite, load_suites

FOLDER = ROOT / "pipeline" / "suites" / "pascal5i"
CONTRADICTED = {"pooling_is_best_on_every_fold"}
"""What a paper's own table does not bear out."""


@pytest.fixture(scope="module")
def rows() -> list[Published]:
    return read_published(FOLDER / "published.tsv")


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suites(load_settings(ROOT / "params.yaml", {"suites": "pascal5i"}))["pascal5i"]


def printed(rows: list[Published], system: str, shots: int, split: str, metric: str = "miou") -> list[float]:
    """The four folds and the mean, as fractions; what is not printed is left out."""
    names = [*(f"pascal5i-fold{fold}" for fold in range(4)), "pascal5i"]
    about = [
        (r.dataset, r.value) for r in rows if (r.system, r.shots, r.split, r.metric) == (system, shots, split, metric)
    ]
    return [float(dict(about)[name]) for name in names if name in dict(about)]


def test_every_number_is_there(rows: list[Published]) -> None:
    counts = {table: sum(row.table == table for row in rows) for table in dict.fromkeys(row.table for row in rows)}
    assert counts == {
        "Table 1 (OSLSM)": 5 * 5 + 4 * 5,
        "Section 7 (OSLSM)": 2,
        "Table 2 (SG-One)": 7 * 5,
        "Table 3 (SG-One)": 7 * 5,
        "Table 4 (SG-One)": 9,
        "Table 5 (SG-One)": 3 * 5,
        "Table 6 (SG-One)": 4,
        "Section 4.4 (SG-One)": 2,  # one number, with either reading of background
        "Section 4.5 (SG-One)": 5,
        "README (BAM)": 2,  # of HSNet, which neither paper has
    }


def test_the_main_rows_are_as_printed(rows: list[Published]) -> None:
    assert printed(rows, "oslsm", 1, "oslsm") == [33.6, 55.3, 40.9, 33.5, 40.8]
    assert printed(rows, "oslsm", 5, "oslsm") == [35.9, 58.1, 42.7, 39.1, 43.9]
    assert printed(rows, "sg_one", 1, "oslsm_original") == [40.2, 58.4, 48.4, 38.4, 46.3]
    assert printed(rows, "sg_one", 5, "oslsm_original") == [41.9, 58.6, 48.6, 39.4, 47.1]
    assert printed(rows, "sg_one", 1, "oslsm_original", "fb_iou") == [63.1]


def test_one_mean_alone_does_not_follow_from_its_folds(rows: list[Published]) -> None:
    off = set()
    for row in rows:
        values = printed(rows, row.system, row.shots, row.split) if row.metric == "miou" else []
        if len(values) == 5 and abs(sum(values[:4]) / 4 - values[4]) > 0.13:  # folds and mean are rounded
            off.add((row.system, row.shots))
    assert off == {("sg_one-max", 5)}


def test_the_second_paper_copies_the_first(rows: list[Published]) -> None:
    for row in rows:
        if row.note.startswith("as in OSLSM's Table 1"):
            (first,) = [
                other.value
                for other in rows
                if (other.table, other.dataset, other.system, other.shots)
                == ("Table 1 (OSLSM)", row.dataset, row.system, row.shots)
            ]
            assert first == row.value


def test_a_number_whose_training_images_are_not_told_answers_to_all(rows: list[Published]) -> None:
    row = next(row for row in rows if row.system == "sg_one")
    key = list(row.key)
    for trained_on in ("pascal5i_trainaug_10582-fold0", "pascal5i_base_only-fold0"):
        key[4] = trained_on
        assert row.answers(tuple(key))  # type: ignore[arg-type]
    assert not row.model_copy(update={"trained_on": "pascal5i"}).answers(tuple(key))  # type: ignore[arg-type]


def test_the_papers_own_numbers_bear_out_every_claim_but_one(suite: Suite, rows: list[Published]) -> None:
    refuted = set()
    for claim in suite.shown.claims:
        if isinstance(claim, Faster):
            seconds = {(each.system, each.shots): each.seconds for each in suite.shown.times}
            fast, slow = ((line.system, line.shots) for line in (claim.fast, claim.slow))
            assert seconds[slow] / seconds[fast] > claim.by
            continue
        assert isinstance(claim, Above)

        def value(line: Line, dataset: str, claim: Above = claim) -> Decimal | None:
            split, metric = line.split or claim.split, line.metric or claim.metric
            about = (line.system, line.shots, split, metric, dataset)
            found = [r.fraction for r in rows if (r.system, r.shots, r.split, r.metric, r.dataset) == about]
            return found[0] if found else None

        for dataset in claim.datasets:
            above, below = value(claim.above, dataset), value(claim.below, dataset)
            if above is not None and below is not None and not claim.by < above - below < (claim.most or 1):
                refuted.add(claim.name)
    assert refuted == CONTRADICTED


def test_every_point_of_disagreement_and_every_protocol_is_told(suite: Suite) -> None:
    assert len(suite.differences.disagreements) == 23
    assert set(suite.differences.protocols) == {track.protocol for track in suite.tracks.values()}


def test_there_are_twenty_classes(suite: Suite) -> None:
    assert list(suite.shown.classes) == list(range(1, 21))
    assert suite.shown.classes[15] == "person"
