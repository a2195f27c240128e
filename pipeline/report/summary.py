"""results/summary.json: every number and every verdict, as `dvc metrics show` prints them; none that a clock gives."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.report.claims import Judgement
from pipeline.report.row import Row, label
from pipeline.report.shown import Faster


def summary(rows: Iterable[Row], judged: Mapping[str, Sequence[Judgement]]) -> dict[str, Any]:
    """Suite -> split -> metric -> system -> dataset -> value, and suite -> `claims` -> name -> verdict."""
    nested: dict[str, Any] = {}
    for row in rows:
        if row.value is not None:
            branch = nested
            for part in (row.suite, row.split, row.metric, label(row)):
                branch = branch.setdefault(part, {})
            branch[row.dataset] = round(row.value, 6)
    for suite, judgements in judged.items():
        verdicts = {each.claim.name: each.verdict for each in judgements if not isinstance(each.claim, Faster)}
        if verdicts:
            nested.setdefault(suite, {})["claims"] = verdicts
    return nested
