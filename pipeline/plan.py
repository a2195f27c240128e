"""The plan: every job and every cell of the current settings, worked out from suites and plugins, for the Snakefile."""

import itertools
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import closure
from pipeline.cells import cells_of, pooled
from pipeline.entries import check_system, chosen, fields, missing_setting, track_of
from pipeline.errors import UserError, nearest
from pipeline.jobs.job import Job
from pipeline.jobs.scoring import Evaluation, Found, Jobs, reference_of
from pipeline.manifest import canonical, digest_text, write_atomic
from pipeline.plugin import Enters, System, find_plugins, systems
from pipeline.report.job import Cell, Choice, Metric, ReportJob
from pipeline.report.job import Suite as ReportedSuite
from pipeline.settings import PROFILES, Settings, by_profile, load_settings
from pipeline.suite import (
    Split,
    Suite,
    Track,
    describes,
    fill,
    find_bank,
    find_split,
    levels,
    load_suites,
    train_list,
)

NAME = r"[a-z0-9_]+(-[a-z0-9_]+)*"
"""What every wildcard of the Snakefile matches: `_` inside a name, `-` before a variant, level, fold or split."""


class Plan:
    """All jobs by stage and output path, and the cells of the table."""

    def __init__(self, settings: Settings, *, root: Path = closure.ROOT) -> None:
        """Work out the plan; `UserError` for any mistake in settings, suites or plugins."""
        self.settings = settings
        self.cells: list[Cell] = []
        self._suites = load_suites(settings, root / "pipeline" / "suites")
        self._systems = {
            s.name: s.model_copy(update={"evaluate": fill(s.evaluate, {"settings": settings})})
            for s in systems(find_plugins(root / "plugins"), settings.profile)
        }
        self._jobs = Jobs(settings, self._systems)
        self.jobs = self._jobs.by_stage
        for name in self._named:
            if name not in self._systems:
                raise UserError(f"unknown system '{name}'; {nearest(name, self._systems)}")
            self._require_setting(name)
        suites_there = {path.parent.name for path in (root / "pipeline" / "suites").glob("*/suite.yaml")}
        self._synthesizers = self._find_synthesizers()
        for system in self._systems.values():
            check_system(system, self._systems, self._suites, suites_there)
        self._jobs.snapshots = self._find_snapshots()
        for system in self._systems.values():
            for enters in system.facts.enters:
                taking_part = _takes_part(system, enters, settings) and self._wanted(system)
                if taking_part and enters.suite in self._suites:
                    self._enter(system, enters, self._suites[enters.suite])
        self._require_part()

    def _require_part(self) -> None:
        """Every system that is named takes part: in the table, or as what extends the supports of one that is."""
        there = {cell.system for cell in self.cells} | {Path(output).parts[3] for output in self.jobs["synthesize"]}
        for name in self._named:
            if name not in there:
                raise UserError(
                    f"the system '{name}' takes no part under the current settings ({self._current}); "
                    f"its plugin.yaml says where it enters"
                )

    def _find_synthesizers(self) -> dict[tuple[str, str], list[System]]:
        """(suite, track) -> the synthesizers that enter it; those alone that the setting `systems` names, if any."""
        found: dict[tuple[str, str], list[System]] = {}
        there = [system for system in self._systems.values() if system.facts.kind == "synthesizer"]
        named = [system for system in there if system.name in self._named]
        for system in named or there:
            for enters in system.facts.enters:
                if _takes_part(system, enters, self.settings):
                    found.setdefault((enters.suite, enters.track), []).append(system)
        return found

    def _find_snapshots(self) -> dict[tuple[str, str], list[int]]:
        """What `LearningJobs.snapshots` says; of all systems, so that the setting `systems` trains none anew."""
        found: dict[tuple[str, str], set[int]] = {}
        for system in self._systems.values():
            for enters in system.facts.enters:
                suite = self._suites.get(enters.suite)
                if not (suite and enters.snapshots and _takes_part(system, enters, self.settings)):
                    continue
                track = suite.tracks[enters.track]
                for level in self._levels(enters, track):
                    key = system.model_name, str(enters.trained_on or track.trained_on).format(**level)
                    found.setdefault(key, set()).update(by_profile(track.snapshots, self.settings.profile))
        return {key: sorted(percents) for key, percents in found.items()}

    @classmethod
    def load(cls, overrides: Mapping[str, Any]) -> "Plan":
        """The plan of params.yaml with Snakemake's --config before it."""
        return cls(load_settings(Path("params.yaml"), overrides))

    def outputs(self, stage: str) -> list[str]:
        """What the stage's target asks for."""
        return sorted(self.jobs[stage])

    def find(self, stage: str, output: str) -> Job:
        """The job that writes `output`; `UserError` where the current settings have no such job."""
        if output not in self.jobs[stage] and stage == "render":
            self._render(output)
        if output not in self.jobs[stage] and stage == "texturize":
            self._texturize(output)
        if output not in self.jobs[stage]:
            other = [name for name in PROFILES if name in Path(output).parts and name != self.settings.profile]
            remedy = f"add --config profile={other[0]}" if other else "check the name or --config"
            raise UserError(f"nothing makes {output} under the current settings ({self._current}); {remedy}")
        return self.jobs[stage][output]

    @property
    def _named(self) -> tuple[str, ...]:
        """Systems that the setting asks for by name."""
        return () if self.settings.systems == ("all",) else self.settings.systems

    @property
    def _current(self) -> str:
        return f"profile {self.settings.profile}, suites {', '.join(self.settings.suites)}"

    @property
    def launcher(self) -> str:
        """How a training starts: python, or torchrun with several ranks."""
        ranks = self.settings.ranks
        return "python" if ranks == 1 else f"torchrun --standalone --nproc-per-node {ranks}"

    @cached_property
    def scores(self) -> list[str]:
        """Every score file of the table."""
        return self.outputs("evaluate")

    @property
    def table_systems(self) -> list[str]:
        """Systems that have a table of their own."""
        return sorted({cell.system for cell in self.cells})

    def scores_of(self, system: str) -> list[str]:
        """Score files of one system."""
        if system not in self.table_systems:
            self._require_setting(system)
            hint = nearest(system, self.table_systems)
            if system in self._systems:
                hint = f"it takes no part under the current settings ({self._current})"
            raise UserError(f"no table for the system '{system}'; {hint}")
        return sorted({path for cell in self.cells if cell.system == system for path in cell.files})

    def report_job(self) -> str:
        """Write the report's job under a name that is its digest (it outgrows a shell argument); return the path."""
        text = canonical(self._report().model_dump(mode="json"))
        path = Path("work") / "jobs" / f"report-{digest_text(text)[7:23]}.json"
        if not path.exists():
            write_atomic(path, text)
        return path.as_posix()

    def code(self, *modules: str) -> list[str]:
        """Paths of the code behind modules that no single job stands for."""
        return closure.code_files(*modules)

    def suite_data(self) -> list[str]:
        """The tables of published and recorded numbers that the report reads."""
        return sorted(path for suite in self._report().suites for path in (suite.published, suite.recorded))

    def _require_setting(self, name: str) -> None:
        """`UserError` where the system takes no part anywhere for want of a setting."""
        setting = missing_setting(self._systems[name], self.settings) if name in self._systems else None
        if setting:
            raise UserError(f"the system '{name}' takes part only where {setting} is set: add --config {setting}=...")

    def _wanted(self, system: System) -> bool:
        return not self._named or system.name in self._named

    def _enter(self, system: System, enters: Enters, suite: Suite) -> None:
        """Add the jobs and the cells of one system in one track."""
        track = track_of(enters, suite.tracks[enters.track], self.settings)
        before = len(self.cells)
        for level in self._levels(enters, track):
            trained_on = enters.trained_on or track.trained_on
            train_set = trained_on.format(**level) if trained_on else None
            for tested_on in track.tested_on:
                dataset, name = tested_on.format(**level).split("/")
                if enters.splits is not None and name not in enters.splits:
                    continue
                split = find_split(suite, dataset, name, self.settings)
                # A profile may leave a split out; a synthesizer that extends the supports of others has no score there.
                if split.episodes and (system.facts.kind != "synthesizer" or tested_on == track.fits):
                    own = track.model_copy(update={"shots": track.shots_of.get(name, track.shots)})
                    self._score(system, enters, own, suite, split, level, train_set)
        if track.together:
            self.cells += pooled(self.cells[before:], track.together, len(list(levels(track, self.settings))))

    def _levels(self, enters: Enters, track: Track) -> list[dict[str, int]]:
        """The levels of the track that the system takes part in."""
        every = levels(track, self.settings)
        return [level for level in every if all(level[name] in chosen for name, chosen in enters.levels.items())]

    def _score(
        self,
        system: System,
        enters: Enters,
        track: Track,
        suite: Suite,
        split: Split,
        level: Mapping[str, int],
        train_set: str | None,
    ) -> None:
        """Add the jobs and the cells of one system on one split."""
        oracle, schedule = fields(system, enters), self._jobs.schedule(system)
        most = by_profile(enters.episodes, self.settings.profile)
        asked = Evaluation(system, suite, track, split, train_set, oracle, most)
        found: Found
        if system.facts.kind == "synthesizer":
            train_set = split.dataset  # fitted to the very pairs
            found = self._jobs.measure(system, suite, split)
        else:
            extending = self._synthesizers.get((enters.suite, enters.track), [])
            found = self._jobs.evaluate(asked, extending, self._fits(suite, track, level))
        listed = train_list(suite, train_set) if train_set and split.dataset != train_set else ""
        for augmentation, (scores, models) in found.items():
            reference = found.get(reference_of(augmentation) or "", ([], []))[0]
            if len(reference) == 1:  # every run is compared with it
                reference = reference * len(scores)
            facts = (train_set, split, augmentation, scores, reference, models, schedule, listed)
            cells = list(cells_of(system, enters, track, suite.metrics, *facts))
            self.cells += cells
            if enters.snapshots:
                self.cells += self._along(asked, level, cells)

    def _along(self, asked: Evaluation, level: Mapping[str, int], last: Sequence[Cell]) -> Iterator[Cell]:
        """The cells of weights on the way, by the track's first metric, and of those that `chosen_on` chooses.

        `last` are those of the last weights.
        """
        track, first = asked.track, next(iter(asked.track.metrics))
        percents = by_profile(track.snapshots, self.settings.profile)
        scores = {percent: self._scores_at(asked, percent) for percent in percents}
        for cell, percent in itertools.product(last, percents):
            if cell.metric == first:
                share = cell.schedule and cell.schedule * percent / 100
                paths = [[path] for path in scores[percent]]
                yield cell.model_copy(update={"snapshot": f"{percent}%", "scores": paths, "schedule": share})
        if track.chosen_on:
            dataset, name = track.chosen_on.format(**level).split("/")
            other = replace(asked, split=find_split(asked.suite, dataset, name, self.settings))
            pairs = [zip(scores[p], self._scores_at(other, p), strict=True) for p in percents]
            pairs.append(zip(self._scores_at(asked, None), self._scores_at(other, None), strict=True))
            among = [[dict(seed)] for seed in zip(*pairs, strict=True)]
            choice = Choice(metric=first, shots=track.shots[0], percents=[*percents, 100], among=among)
            for cell in last:
                yield cell.model_copy(update={"snapshot": name, "choice": choice})

    def _scores_at(self, asked: Evaluation, percent: int | None) -> list[str]:
        """The scores of one snapshot, or of the last weights, a path a seed."""
        return self._jobs.evaluate(replace(asked, snapshot=percent), [], None)["none"][0]

    def _fits(self, suite: Suite, track: Track, level: Mapping[str, int]) -> Split | None:
        """The pairs that the track's synthesizers are fitted to."""
        if track.fits is None:
            return None
        dataset, split = track.fits.format(**level).split("/")
        return find_split(suite, dataset, split, self.settings)

    def _render(self, output: str) -> None:
        """Add the rendering of a split that no track asks for but a suite describes: to look at, or to export."""
        *folder, dataset, name = output.removesuffix(".json").split("/")
        if folder != ["data", "episodes", self.settings.profile]:
            return
        for suite in self._suites.values():
            if describes(suite, dataset):
                split, _, field = name.partition("-")
                self._jobs.render_alone(find_split(suite, dataset, split, self.settings), field)

    def _texturize(self, output: str) -> None:
        """Add the making of a bank that no track asks for but a suite describes."""
        *folder, name = output.removesuffix(".json").split("/")
        for suite in self._suites.values():
            if folder == ["data", "textures", self.settings.profile] and name in suite.banks:
                self._jobs.texturize(name, find_bank(suite, name, self.settings))

    def _report(self) -> ReportJob:
        return ReportJob(
            profile=self.settings.profile,
            budget=self.settings.budget,
            bootstrap=self.settings.bootstrap,
            suites=[
                ReportedSuite(
                    name=name,
                    title=suite.title,
                    paper=suite.paper,
                    published=f"pipeline/suites/{name}/published.tsv",
                    recorded=f"pipeline/suites/{name}/recorded.tsv",
                    metrics={name: _of_profile(metric, self.settings) for name, metric in suite.metrics.items()},
                    tracks={track: facts.title for track, facts in suite.tracks.items()},
                    figures=suite.shown.figures,
                    claims=suite.shown.claims,
                    classes=suite.shown.classes,
                    parameters=suite.shown.parameters,
                    times=suite.shown.times,
                    differences=suite.differences,
                    facts=self._facts(name),
                )
                for name, suite in self._suites.items()
            ],
            cells=self.cells,
            sources=self.outputs("download"),
            banks=self.outputs("texturize"),
        )

    def _facts(self, suite: str) -> dict[str, list[str]]:
        """Plugin -> its facts, of all that have a cell in the suite or are needed by one that has."""
        names = {cell.system for cell in self.cells if cell.suite == suite}
        names |= {needed for name in names for needed in self._systems[name].needs.values()}
        plugins = {self._systems[name].plugin: self._systems[name].facts for name in sorted(names)}
        return {plugin: facts.facts for plugin, facts in plugins.items() if facts.facts}


def count_gpus() -> int:
    """Number of NVIDIA cards here, asked without importing torch."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def _of_profile(metric: Metric, settings: Settings) -> Metric:
    """The metric with those of its parameters that are given by profile resolved."""
    given = {name: by_profile(value, settings.profile) for name, value in metric.parameters.items()}
    return metric.model_copy(update={"parameters": given})


def _takes_part(system: System, enters: Enters, settings: Settings) -> bool:
    given = enters.given is None or bool(getattr(settings, enters.given, None))
    return given and chosen(system, enters) and (enters.profiles is None or settings.profile in enters.profiles)
