"""Claims of a study, checked on the cells of this run: a verdict each, with the numbers behind it.

A claim is a border that a quantity must not cross: a difference, a spread or a value. The paired bootstrap over the
episodes that all its cells answered, and over their seeds, gives the quantity an interval; the verdict is the side on
which the interval lies. A claim is of a system, whatever the luck of a training or of a run: seeds are drawn as well,
and a claim about an augmentation says what the sentence on its gain says.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.report.interval import percentiles, resampled
from pipeline.report.job import ReportJob, Suite
from pipeline.report.results import tallies
from pipeline.report.shown import Above, Claim, Falls, Faster, Flat, Line, Within
from pipeline.report.table import Entry
from pipeline.report.tally import Floats, in_all
from pipeline.scores import read_timing

Verdict = Literal["holds", "does not hold", "not enough budget", "not run"]

LEAST_SCHEDULE = 0.02
"""Share of the published training samples below which a trained system proves nothing."""


@dataclass(frozen=True)
class Check:
    """One quantity of a claim. Numbers are fractions, of `Faster` ratios; None where it was not run, or not printed."""

    where: str
    value: float | None
    low: float | None
    high: float | None
    """With `low` the ends of the paired 95 % interval; a ratio of seconds has none, and repeats its value."""
    printed: float | None
    """The same quantity of the published numbers."""
    verdict: Verdict
    why: str
    """What the verdict rests on, where it is not the interval's side."""


@dataclass(frozen=True)
class Judgement:
    """A claim and what this run says of it."""

    claim: Claim
    verdict: Verdict
    why: str
    """In words; empty where the claim holds."""
    checks: list[Check]


@dataclass(frozen=True)
class _Quantity:
    """A formula of the values of all sides on some data sets, (data sets x sides, ...) -> (...), and its borders."""

    where: str
    datasets: Sequence[str]
    formula: Callable[[Floats], Floats]
    least: float | None = None
    most: float | None = None


def judge_all(job: ReportJob, found: Sequence[Entry]) -> dict[str, list[Judgement]]:
    """Suite -> its claims, judged on last weights, in published.yaml's order; `found` are the entries of the job."""
    return {
        suite.name: [
            judge(claim, suite, [e for e in found if e.row.suite == suite.name and e.last], job.bootstrap)
            for claim in suite.claims
        ]
        for suite in job.suites
    }


def judge(claim: Claim, suite: Suite, entries: Sequence[Entry], bootstrap: int) -> Judgement:
    """The verdict on one claim.

    A quantity on the wrong side anywhere refutes it; else too little training, partial data, or too few episodes or
    seeds leave it open; else it holds, once all its data sets were run.
    """
    sides = [line.model_dump() for line in _sides(claim)]
    found = {(i, d): _find(side, claim, d, entries) for i, side in enumerate(sides) for d in claim.datasets}
    there = [d for d in claim.datasets if all(_has_number(found[i, d]) for i in range(len(sides)))]
    enough = len(there) >= (2 if isinstance(claim, Falls | Flat) else 1)
    if isinstance(claim, Faster):
        checks = [_timed(claim, dataset, [found[i, dataset] for i in (0, 1)], suite) for dataset in claim.datasets]
    else:
        checks = [
            _check(quantity, [found[i, d] for d in quantity.datasets for i in range(len(sides))], suite, bootstrap)
            for quantity in _quantities(claim, there if enough else claim.datasets)
        ]
    missing = {d: _absent([found[i, d] for i in range(len(sides))], sides) for d in claim.datasets if d not in there}
    verdict = _combine(claim, [check.verdict for check in checks], bool(missing))
    return Judgement(claim, verdict, _reason(verdict, checks, missing), checks)


def _sides(claim: Claim) -> list[Line]:
    if isinstance(claim, Faster):
        return [claim.fast, claim.slow]
    return [claim.above, claim.below] if isinstance(claim, Above) else [claim.of]


def _find(side: Mapping[str, object], claim: Claim, dataset: str, entries: Sequence[Entry]) -> Entry | None:
    asked = {key: value or getattr(claim, key, None) for key, value in side.items()} | {"dataset": dataset}
    track = asked.pop("track")
    if asked["trained_on"] is None:
        del asked["trained_on"]
    found = [
        entry
        for entry in entries
        if all(getattr(entry.row, key) == value for key, value in asked.items())
        and (entry.cell is None or entry.cell.track == track)
    ]
    return next((entry for entry in found if entry.row.home), found[0] if found else None)


def _quantities(claim: Claim, datasets: Sequence[str]) -> Iterator[_Quantity]:
    if isinstance(claim, Falls):
        for before, after in itertools.pairwise(datasets):
            yield _Quantity(f"{before} to {after}", [before, after], lambda v: v[1] - v[0], most=0)
    elif isinstance(claim, Flat):
        yield _Quantity(f"over {len(datasets)} data sets", datasets, lambda v: np.ptp(v, axis=0), most=claim.most)
    elif isinstance(claim, Above) and claim.average:
        mean = f"mean of {len(datasets)} data sets"
        yield _Quantity(mean, datasets, lambda v: (v[0::2] - v[1::2]).mean(axis=0), claim.by, claim.most)
    elif isinstance(claim, Above):
        for dataset in datasets:
            yield _Quantity(dataset, [dataset], lambda v: v[0] - v[1], claim.by, claim.most)
    elif isinstance(claim, Within):
        for dataset in datasets:
            yield _Quantity(dataset, [dataset], lambda v: v[0], claim.least, claim.most)


def _timed(claim: Faster, dataset: str, found: Sequence[Entry | None], suite: Suite) -> Check:
    """The seconds of the slow side over those of the fast one, of the first seed, on one device.

    How long they were trained is no matter; networks of the built-in sample are too narrow to say anything.
    """
    asked = [(line.system, line.shots) for line in _sides(claim)]
    paper = {(each.system, each.shots): each.seconds for each in suite.times}
    printed = paper[asked[1]] / paper[asked[0]] if all(side in paper for side in asked) else None
    entries = [entry for entry in found if entry and entry.cell]
    timings = [read_timing(Path(entry.cell.scores[0][0])) for entry in entries if entry.cell]
    if len(entries) < len(asked) or not all(t and k in t.shots for t, (_, k) in zip(timings, asked, strict=True)):
        why = "" if len(entries) < len(asked) else "no episode of one of them was timed alone"
        return Check(dataset, None, None, None, printed, "not run", why)
    fast, slow = (timing.shots[k].median for timing, (_, k) in zip(timings, asked, strict=True) if timing)
    ratio, devices = slow / fast, {timing.device for timing in timings if timing}
    verdict: Verdict = "holds" if ratio > claim.by else "does not hold"
    why = "they were timed on different devices" if len(devices) > 1 else _partial(entries)
    return Check(dataset, ratio, ratio, ratio, printed, "not enough budget" if why else verdict, why)


def _check(quantity: _Quantity, found: Sequence[Entry | None], suite: Suite, bootstrap: int) -> Check:
    numbers = [float(entry.row.published) for entry in found if entry and entry.row.published is not None]
    printed = float(quantity.formula(np.array(numbers))) if len(numbers) == len(found) else None
    entries = [entry for entry in found if entry and _has_number(entry)]
    if len(entries) < len(found):
        return Check(quantity.where, None, None, None, printed, "not run", "")
    seeds = [tallies(entry.cell, suite.metrics[entry.cell.metric]) for entry in entries if entry.cell]
    common = in_all(itertools.chain.from_iterable(seeds))
    kept = [[tally.only(common) for tally in each] for each in seeds]
    value = float(quantity.formula(np.array([np.mean([tally.value for tally in each]) for each in kept])))
    low, high = percentiles(quantity.formula(np.stack([resampled(each, bootstrap, seeds=True) for each in kept])))
    verdict, why = _side(quantity, low, high, len(common), max(map(len, kept)))
    if short := _short(entries):
        verdict, why = "not enough budget", short
    return Check(quantity.where, value, low, high, printed, verdict, why)


def _side(quantity: _Quantity, low: float, high: float, episodes: int, seeds: int) -> tuple[Verdict, str]:
    least = -np.inf if quantity.least is None else quantity.least
    most = np.inf if quantity.most is None else quantity.most
    if least < low and high < most:
        return "holds", ""
    if high < least or most < low:
        return "does not hold", ""
    few = f"too few episodes or seeds: {episodes:,} under {seeds}" if seeds > 1 else f"too few episodes: {episodes:,}"
    return "not enough budget", f"{few}, the interval contains the border"


def _partial(entries: Sequence[Entry]) -> str:
    """Why the data behind these cells prove nothing, or nothing."""
    if all(entry.row.complete for entry in entries):
        return ""
    return "the data are made up or a subset of the official ones"


def _short(entries: Sequence[Entry]) -> str:
    """Why these cells prove nothing, or nothing."""
    if why := _partial(entries):
        return why
    for entry in entries:
        if entry.cell and entry.cell.models and entry.cell.schedule is None:
            return f"nobody knows how much of the published training {entry.row.system} saw"
    seen = {
        entry.row.system: entry.cell.schedule for entry in entries if entry.cell and entry.cell.schedule is not None
    }
    least = min(seen, key=lambda system: seen[system], default="")
    if least and seen[least] < LEAST_SCHEDULE:
        return f"{least} saw {100 * seen[least]:.2g} % of the published training, less than {100 * LEAST_SCHEDULE:g} %"
    return ""


def _has_number(entry: Entry | None) -> bool:
    return entry is not None and entry.row.value is not None


def _absent(found: Sequence[Entry | None], sides: Sequence[Mapping[str, object]]) -> str:
    """The systems without a number on a data set, those that failed marked."""
    names: dict[str, None] = {}
    for entry, side in zip(found, sides, strict=True):
        if not _has_number(entry):
            failed = entry is not None and entry.row.status == "failed"
            names[f"{side['system']} failed" if failed else str(side["system"])] = None
    return " and ".join(names)


def _combine(claim: Claim, verdicts: Sequence[Verdict], missing: bool) -> Verdict:
    part = missing and isinstance(claim, Above) and claim.average  # a mean over some data sets refutes nothing
    if "does not hold" in verdicts and not part:
        return "does not hold"
    if "not enough budget" in verdicts:
        return "not enough budget"
    return "not run" if missing or "not run" in verdicts else "holds"


def _reason(verdict: Verdict, checks: Sequence[Check], missing: Mapping[str, str]) -> str:
    """`too few episodes: 200, ... (clutter-n4, clutter-n8); no number: masknet on clutter-n256`."""
    groups: dict[str, list[str]] = {}
    for check in checks:
        if check.verdict == verdict and (verdict in ("does not hold", "not enough budget") or check.why):
            groups.setdefault(check.why or "not so", []).append(check.where)
    parts = [f"{why} ({', '.join(places)})" for why, places in groups.items()]
    holes: dict[str, list[str]] = {}
    for dataset, systems in missing.items():
        holes.setdefault(systems, []).append(dataset)
    parts += [f"no number: {systems} on {', '.join(places)}" for systems, places in holes.items()]
    return "; ".join(parts)
