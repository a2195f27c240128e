"""The page: what was run, published numbers beside ours, curves, pictures and sources; one file that loads nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2

from pipeline.manifest import Manifest, read_manifest
from pipeline.report.claims import Check, Judgement, judge_all
from pipeline.report.course import course
from pipeline.report.curves import curve, sweep
from pipeline.report.figure import marks
from pipeline.report.films import Reel, reels
from pipeline.report.footing import PerClass, Size, Speed, per_class, sizes, speeds
from pipeline.report.gains import Gain, gains
from pipeline.report.job import Cell, ReportJob, Suite
from pipeline.report.learning import learning
from pipeline.report.patch_rows import PatchRow, patch_rows
from pipeline.report.per_episode import EpisodeTable, episode_table
from pipeline.report.pivot import Pivot, pivots
from pipeline.report.published import read_published
from pipeline.report.recorded import Recorded, read_recorded
from pipeline.report.results import failures, lost
from pipeline.report.row import Row, label, metric_title, natural
from pipeline.report.samples import SampleRow, sample_rows
from pipeline.report.scatter import scatter
from pipeline.report.shots import by_shots
from pipeline.report.shown import (
    Above,
    Claim,
    Course,
    Curve,
    Episodes,
    Falls,
    Faster,
    Film,
    Levels,
    Patches,
    Samples,
    Scatter,
    Shots,
    Sweep,
    Videos,
)
from pipeline.report.strips import Strip, at_levels, strips
from pipeline.report.table import Entry, entries, timings
from pipeline.report.videos import video_reels


@dataclass(frozen=True)
class Section:
    """All the page shows of one suite. Figures are <svg> elements."""

    suite: Suite
    pivots: list[Pivot]
    judged: list[Judgement]
    levels: list[tuple[str, list[tuple[str, Strip]]]]
    """(title, [(data set, its first episode)])."""
    figures: list[tuple[str, str]]
    """(title, figure)."""
    films: list[tuple[str, list[Reel]]]
    """(title, films)."""
    gains: list[Gain]
    patches: list[tuple[str, list[PatchRow]]]
    """(title, a row a system and class)."""
    samples: list[tuple[str, list[SampleRow]]]
    """(title, a row a pair and system)."""
    episodes: list[EpisodeTable]
    strips: dict[tuple[str, str], list[Strip]]
    """(data set, split) -> its first episodes, of the split that counts most in each track."""
    failures: list[str]
    subset: list[Row]
    """Rows on a subset of the official data, or on the built-in sample."""
    recorded: list[tuple[Recorded, Row]]
    sizes: list[Size]
    speeds: list[Speed]
    classes: dict[int, str]
    """Names of the classes that any system was scored on, by their numbers."""
    per_class: list[PerClass]


@dataclass(frozen=True)
class Source:
    """A raw source, or a bank made of one: its manifest, and what the source table says of it."""

    name: str
    manifest: Manifest

    @property
    def facts(self) -> dict[str, Any]:
        """Title, licence and citation; empty for the built-in sample, which has no entry in the source table."""
        return self.manifest.recipe.get("entry") or {}

    @property
    def origin(self) -> str:
        """`sample`, `mirror` or `network`."""
        return str(self.manifest.notes.get("origin", "unknown"))

    @property
    def trunk(self) -> str:
        """Whose filters the textures of a bank were synthesized with: `vgg19`, `random`; empty where none were."""
        return str(self.manifest.notes.get("trunk", ""))


def render(job: ReportJob) -> str:
    """The page as text; equal inputs give equal bytes, apart from the lines that tell seconds."""
    found = entries(job)
    judged = judge_all(job, found)
    sections = [
        _section(suite, job, [entry for entry in found if entry.row.suite == suite.name], judged[suite.name])
        for suite in job.suites
    ]
    sources, banks = (
        [Source(Path(path).stem, read_manifest(Path(path))) for path in sorted(paths)]
        for paths in (job.sources, job.banks)
    )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for function in (percent, signed, duration, measured, metric_title, label, systems):
        environment.filters[function.__name__] = function
    return environment.get_template("page.html.j2").render(
        job=job,
        sections=sections,
        sources=sources,
        banks=banks,
        facts=_facts(job, found),
        sample=_is_sample(job, sources),
    )


def percent(fraction: float | Decimal) -> str:
    """A fraction in percent with one digit."""
    return f"{100 * float(fraction):.1f}"


def signed(fraction: float) -> str:
    """A difference of fractions in points, with its sign."""
    return f"{100 * fraction:+.1f}".replace("-", "\u2212")


def duration(seconds: float) -> str:
    """Seconds as people say them: `42 s`, `3 min 20 s`, `2 h 23 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def systems(group: Sequence[Strip]) -> list[str]:
    """The systems that answered any episode of a group of strips."""
    return sorted({system for strip in group for system in strip.answers})


def measured(check: Check, claim: Claim) -> str:
    """A check in percent: `clutter-n32: +3.1 [2.8, 3.4], printed +3.2`; differences have a sign, values have none.

    Ratios of seconds are told as such: `pascal5i-fold0: 3.1 times, printed 3.5`.
    """
    if isinstance(claim, Faster):
        parts = [f"{check.value:.1f} times"] if check.value is not None else []
        parts += [f"printed {check.printed:.1f}"] if check.printed is not None else []
        return f"{check.where}: {', '.join(parts)}" if parts else ""
    text = signed if isinstance(claim, Above | Falls) else percent
    parts = []
    if check.value is not None and check.low is not None and check.high is not None:
        parts.append(f"{text(check.value)} [{text(check.low)}, {text(check.high)}]")
    if check.printed is not None:
        parts.append(f"printed {text(check.printed)}")
    return f"{check.where}: {', '.join(parts)}" if parts else ""


def _section(suite: Suite, job: ReportJob, found: Sequence[Entry], judged: list[Judgement]) -> Section:
    every = [cell for cell in job.cells if cell.suite == suite.name]
    cells = [cell for cell in every if not cell.snapshot]
    splits = list(dict.fromkeys(cell.split for cell in cells))  # a track names the one that counts most first
    published = read_published(Path(suite.published))
    recorded = [(row, row.row(suite.name, published)) for row in read_recorded(Path(suite.recorded))]
    sound = [cell for cell in cells if not failures(cell)]
    averaged = per_class(suite, sound) if suite.classes else []
    levels = [(plot.title, at_levels(plot, sound)) for plot in suite.figures if isinstance(plot, Levels)]
    return Section(
        suite=suite,
        pivots=pivots(
            [e for e in found if not (e.cell and e.cell.on_the_way)], [row.system for row in published], splits
        ),
        judged=judged,
        levels=[(title, strip) for title, strip in levels if strip],
        figures=_figures(suite, found, [row.system for row in published], [row for _, row in recorded], cells),
        films=_films(suite, sound),
        gains=gains(found),
        patches=[
            (plot.title, patch_rows(plot, sound, suite.metrics[plot.metric]))
            for plot in suite.figures
            if isinstance(plot, Patches)
        ],
        samples=[(plot.title, sample_rows(plot, sound)) for plot in suite.figures if isinstance(plot, Samples)],
        episodes=[
            table
            for plot in suite.figures
            if isinstance(plot, Episodes) and (table := episode_table(plot, sound, suite.metrics[plot.metric]))
        ],
        strips=_strips(suite, sound, splits),
        failures=list(dict.fromkeys(reason for cell in every for reason in [*failures(cell), *lost(cell)])),
        subset=[entry.row for entry in found if entry.row.complete is False],
        recorded=recorded,
        sizes=sizes(suite, sound) if suite.parameters else [],
        speeds=speeds(suite, sound),
        classes={n: name for n, name in suite.classes.items() if any(n in each.values for each in averaged)},
        per_class=averaged,
    )


def _films(suite: Suite, cells: Sequence[Cell]) -> list[tuple[str, list[Reel]]]:
    found = []
    for plot in suite.figures:
        if isinstance(plot, Film):
            found.append((plot.title, reels(plot, cells, suite.metrics[plot.metric])))
        elif isinstance(plot, Videos):
            found.append((plot.title, video_reels(plot, cells, suite.metrics[plot.metric])))
    return found


def _figures(
    suite: Suite, found: Sequence[Entry], order: Sequence[str], recorded: Sequence[Row], cells: Sequence[Cell]
) -> list[tuple[str, str]]:
    """Published systems have the first colours, in the order in which the papers list them."""
    last = [entry for entry in found if entry.last]
    names = [*sorted(label(entry.row) for entry in last), *sorted(entry.row.system for entry in last)]
    mark = marks([*order, *names])
    drawn: list[tuple[str, str | None]] = []
    for plot in suite.figures:
        if isinstance(plot, Curve):
            drawn.append((plot.title, curve(plot, last, mark, [row for row in recorded if not row.snapshot])))
        elif isinstance(plot, Sweep):
            drawn.append((plot.title, sweep(plot, last, suite.metrics[plot.metric])))
        elif isinstance(plot, Shots):
            drawn.append((plot.title, by_shots(plot, last, mark)))
        elif isinstance(plot, Scatter):
            drawn.append((plot.title, scatter(plot, last, mark)))
        elif isinstance(plot, Course):
            drawn.append((plot.title, course(plot, found, mark)))
    drawn.append(("Learning curves", learning(cells)))
    return [(title, figure) for title, figure in drawn if figure]


def _strips(suite: Suite, cells: Sequence[Cell], splits: Sequence[str]) -> dict[tuple[str, str], list[Strip]]:
    """Strips scored by the first metric that a data set's cells have, of what a paper prints; by metric and level."""
    first: dict[str, str] = {}
    for cell in sorted(cells, key=lambda cell: splits.index(cell.split)):
        first.setdefault(cell.track, cell.split)
    shown: dict[tuple[str, str], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: natural(cell.dataset)):
        group = shown.setdefault((cell.dataset, cell.split), [])
        if cell.split == first[cell.track] and (not group or group[0].metric == cell.metric):
            group.append(cell)
    return {
        place: strip
        for place, group in shown.items()
        if any(cell.table for cell in group)
        for strip in strips(group, suite.metrics[group[0].metric], group[0].metric).values()
    }


def _facts(job: ReportJob, found: Sequence[Entry]) -> dict[str, Any]:
    cells = [entry.cell for entry in found if entry.cell]
    spent = timings(dict.fromkeys(path for cell in cells for path in (*cell.files, *cell.models)))
    rows = [entry.row for entry in found if entry.cell]
    return {
        "rows": len(rows),
        "failed": sum(row.status == "failed" for row in rows),
        "not_run": len(found) - len(rows),
        "subset": sum(row.complete is False for row in rows),
        "episodes": sorted({row.episodes for row in rows if row.episodes}),
        "seeds": sorted({row.seeds for row in rows if row.seeds}),
        "devices": sorted({timing.device for timing in spent}),
        "seconds": sum(timing.seconds for timing in spent),
        "trained": len({path for cell in cells for path in cell.models}),
        "evaluated": len({path for cell in cells for path in cell.files}),
        "bootstrap": job.bootstrap,
    }


def _is_sample(job: ReportJob, sources: Sequence[Source]) -> bool:
    return job.profile == "sample" or any(source.origin == "sample" for source in sources)
