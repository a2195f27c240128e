"""The published numbers of the clutter suite, against figures copied from the paper's tables."""

from decimal import Decimal

import pytest

from pipeline.closure import ROOT
from pipeline.report.published import Published, find_published, read_published
from pipeline.report.recorded import HEADER, read_recorded

CLUTTER = ROOT / "pipeline" / "suites" / "clutter"


@pytest.fixture(scope="module")
def rows() -> list[Published]:
    return read_published(CLUTTER / "published.tsv")


def test_every_number_of_both_tables_is_there(rows: list[Published]) -> None:
    counts = {table: sum(row.table == table for row in rows) for table in ("Table 1", "Table 2")}
    assert counts == {"Table 1": 5 * 7 + 4, "Table 2": 3 * 7}  # untargeted masks: n = 32 to 256 alone


def test_tables_print_one_shot_numbers_of_seven_levels(rows: list[Published]) -> None:
    printed = [row for row in rows if row.table != "Sec. 6.1" and row.dataset != "omniglot_5way"]
    assert {row.dataset for row in printed} == {f"clutter-n{2**k}" for k in range(2, 9)}
    assert {row.split for row in printed} == {"test_one_shot"}


def test_the_network_falls_and_template_matching_stays_below_it(rows: list[Published]) -> None:
    lines = {name: [row.value for row in rows if row.system == name and row.metric == "iou"] for name in SYSTEMS}
    assert lines["siamese_unet"] == [Decimal(v) for v in ("97.1", "92.1", "79.8", "62.4", "48.1", "39.3", "38.4")]
    assert lines["template_matching"] == [Decimal(v) for v in ("62.2", "50.4", "41.7", "36.9", "32.6", "29.0", "28.6")]


def test_a_fraction_keeps_the_printed_digits(rows: list[Published]) -> None:
    key = ("clutter-n128", "test_one_shot", "clutter", "template_matching", "", 1, "none", "iou")
    found = find_published(rows, key, "Table 1")
    assert found is not None
    assert str(found.fraction) == "0.290"


def test_where_two_tables_print_a_number_the_cells_own_counts(rows: list[Published]) -> None:
    other = rows[0].model_copy(update={"table": "Table 9", "value": Decimal(1)})
    assert find_published([rows[0], other], other.key, "Table 9") == other
    assert find_published([rows[0], other], other.key, "Table 5") == rows[0]


def test_recorded_results_have_the_documented_header() -> None:
    assert (CLUTTER / "recorded.tsv").read_text().splitlines()[0].split("\t") == list(HEADER)
    assert all(0 <= row.ci_low <= row.value <= row.ci_high <= 1 for row in read_recorded(CLUTTER / "recorded.tsv"))


SYSTEMS = ("siamese_unet", "template_matching")
