"""The plan: every job of the current settings, worked out from suites and plugins, for the Snakefile.

A job is found by the path of what it writes, so that a rule needs to know no more than its own wildcards.
"""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import closure
from pipeline.download.job import DownloadJob, Entry, code_modules, read_sources
from pipeline.errors import UserError, nearest
from pipeline.evaluate.job import EvaluateJob
from pipeline.job import Facts
from pipeline.manifest import canonical, digest_text, write_atomic
from pipeline.plugin import Enters, System, find_plugins, systems
from pipeline.render.job import RenderJob
from pipeline.report.job import Cell, ReportJob
from pipeline.report.job import Suite as ReportedSuite
from pipeline.settings import Settings, by_profile, load_settings
from pipeline.suite import Split, Suite, Track, find_split, levels, load_suites
from pipeline.train.job import TrainJob

NAME = r"[a-z0-9_]+(-[a-z0-9_]+)*"
"""What every wildcard of the Snakefile matches: `_` inside a name, `-` before a variant, level, fold or split."""


@dataclass(frozen=True)
class Job:
    """One unit of work and all that decides whether it must run again."""

    output: str
    """The manifest, or the scores, it writes."""
    values: Facts
    manifests: list[str] = field(default_factory=list)
    """Inputs compared by content."""
    products: list[str] = field(default_factory=list)
    """What those manifests describe: needed on disk, never compared."""
    modules: tuple[str, ...] = ()
    """The entry module, and what it loads by name."""
    threads: int = 1
    gpu: int = 0
    """Quarters of a card."""

    @property
    def json(self) -> str:
        """The job's values as the stage gets them."""
        return canonical(self.values.model_dump(mode="json"))

    @property
    def code(self) -> list[str]:
        """Paths of the code behind the job."""
        return closure.code_files(*self.modules)


class Plan:
    """All jobs by stage and output path, and the cells of the table."""

    def __init__(self, settings: Settings, *, root: Path = closure.ROOT) -> None:
        """Work out the plan; `UserError` for any mistake in settings, suites or plugins."""
        self.settings = settings
        self.jobs: dict[str, dict[str, Job]] = {stage: {} for stage in ("download", "render", "train", "evaluate")}
        self.cells: list[Cell] = []
        self._sources = read_sources()
        self._root = root
        self._suites = load_suites(settings, root / "pipeline" / "suites")
        self._suites_there = {path.parent.name for path in (root / "pipeline" / "suites").glob("*/suite.yaml")}
        self._systems = {s.name: s for s in systems(find_plugins(root / "plugins"), settings.profile)}
        for name in settings.systems if settings.systems != ("all",) else ():
            if name not in self._systems:
                raise UserError(f"unknown system '{name}'; {nearest(name, self._systems)}")
        for system in self._systems.values():
            self._check(system)
            for enters in system.facts.enters:
                if _takes_part(system, enters) and enters.suite in self._suites and self._wanted(system):
                    self._enter(system, enters, self._suites[enters.suite])

    @classmethod
    def load(cls, overrides: Mapping[str, Any]) -> "Plan":
        """The plan of params.yaml with Snakemake's --config before it."""
        return cls(load_settings(Path("params.yaml"), overrides))

    def outputs(self, stage: str) -> list[str]:
        """What the stage's target asks for."""
        return sorted(self.jobs[stage])

    def find(self, stage: str, output: str) -> Job:
        """The job that writes `output`; `UserError` where the current settings have no such job."""
        if output not in self.jobs[stage]:
            current = f"profile {self.settings.profile}, suites {', '.join(self.settings.suites)}"
            raise UserError(
                f"nothing makes {output} under the current settings ({current}); check the name or --config"
            )
        return self.jobs[stage][output]

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
            raise UserError(f"no table for the system '{system}'; {nearest(system, self.table_systems)}")
        return sorted({path for cell in self.cells if cell.system == system for path in cell.scores})

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

    def _wanted(self, system: System) -> bool:
        return self.settings.systems == ("all",) or system.name in self.settings.systems

    def _check(self, system: System) -> None:
        where = f"plugins/{system.plugin}/plugin.yaml"
        for needed in system.facts.needs.values():
            if needed not in self._systems:
                raise UserError(f"{where}: 'needs' names no system: '{needed}'; {nearest(needed, self._systems)}")
        self._check_cycle(system, ())
        for enters in system.facts.enters:
            if enters.suite not in self._suites_there:
                hint = nearest(enters.suite, self._suites_there)
                raise UserError(f"{where}: 'enters' names no suite: '{enters.suite}'; {hint}")
            suite = self._suites.get(enters.suite)
            if suite and enters.track not in suite.tracks:
                hint = nearest(enters.track, suite.tracks)
                raise UserError(f"{where}: the suite '{enters.suite}' has no track '{enters.track}'; {hint}")
            tested = {path.partition("/")[2] for path in suite.tracks[enters.track].tested_on} if suite else set()
            for split in enters.splits or []:
                if suite and split not in tested:
                    hint = nearest(split, tested)
                    raise UserError(f"{where}: the track '{enters.track}' has no test split '{split}'; {hint}")
            for variant in enters.variants or []:
                if variant not in ("base", *system.facts.variants):
                    hint = nearest(variant, ["base", *system.facts.variants])
                    raise UserError(f"{where}: 'enters' names no variant: '{variant}'; {hint}")

    def _check_cycle(self, system: System, above: tuple[str, ...]) -> None:
        if system.name in above:
            raise UserError(
                f"plugins/{system.plugin}/plugin.yaml: 'needs' runs in a circle: {' -> '.join([*above, system.name])}"
            )
        for needed in system.facts.needs.values():
            if needed in self._systems:
                self._check_cycle(self._systems[needed], (*above, system.name))

    def _enter(self, system: System, enters: Enters, suite: Suite) -> None:
        track = suite.tracks[enters.track]
        if system.facts.trained and track.trained_on is None:
            where = f"plugins/{system.plugin}/plugin.yaml"
            raise UserError(
                f"{where}: it is trained, but the track '{enters.track}' trains on nothing; leave it out of 'enters'"
            )
        for level in levels(track, self.settings):
            train_set = track.trained_on.format(**level) if track.trained_on else None
            for tested_on in track.tested_on:
                dataset, name = tested_on.format(**level).split("/")
                if enters.splits is None or name in enters.splits:
                    split = find_split(suite, dataset, name, self.settings)
                    self._evaluate(system, enters, suite, track, train_set, split)

    def _evaluate(
        self, system: System, enters: Enters, suite: Suite, track: Track, train_set: str | None, split: Split
    ) -> None:
        settings = self.settings
        trained_on = train_set if system.facts.trained else None
        most = by_profile(enters.episodes, settings.profile)
        episodes = min(split.episodes, most) if most else split.episodes
        wanted = {suite.metrics[metric].statistic for metric in track.metrics}
        data = self._render(split, split.split)
        oracle = {
            name: self._render(split, f"{split.split}-{name}", split.oracles[name])
            for name in system.facts.oracle
            if name in split.oracles
        }
        for augmentation in track.augmentation:
            scores, models = [], []
            for seed in settings.seeds if trained_on else (0,):
                model = self._train(system, suite, trained_on, seed) if trained_on else None
                needs = {} if trained_on else self._needs(system, suite, train_set, seed)
                parents = [data, *oracle.values(), *([model] if model else []), *needs.values()]
                folder = f"results/scores/{settings.profile}/{system.name}/{trained_on or 'none'}/{split.name}"
                output = f"{folder}/{augmentation}/seed{seed}.json"
                scores.append(output)
                models += [model] if model else []
                self._add(
                    "evaluate",
                    Job(
                        output=output,
                        values=EvaluateJob(
                            system=system.name,
                            plugin=system.plugin,
                            trained_on=trained_on,
                            tested_on=split.name,
                            augmentation=augmentation,
                            train_parameters=self._budgeted(system.train),
                            evaluate_parameters=system.evaluate,
                            model=model,
                            needs=needs,
                            data=data,
                            oracle=oracle,
                            episodes=episodes,
                            shots=track.shots,
                            statistics={name: suite.statistics[name] for name in sorted(wanted)},
                            batch=by_profile(system.facts.batch, settings.profile),
                            pictures=settings.pictures,
                            seed=seed,
                            threads=settings.threads,
                            precision=settings.evaluation_precision,
                            device=settings.device,
                            gpu=system.facts.gpu_evaluate,
                        ),
                        manifests=parents,
                        products=[_product(parent) for parent in parents],
                        modules=(
                            "pipeline.evaluate.__main__",
                            f"plugins.{system.plugin}.model",
                            *(f"pipeline.evaluate.statistics.{name}" for name in sorted(wanted)),
                        ),
                        threads=settings.threads,
                        gpu=system.facts.gpu_evaluate,
                    ),
                )
            self.cells += [
                Cell(
                    suite=enters.suite,
                    track=enters.track,
                    table=table,
                    dataset=split.dataset,
                    split=split.split,
                    protocol=track.protocol,
                    system=system.name,
                    trained_on=trained_on,
                    train_list="train" if trained_on else "",
                    shots=shots,
                    augmentation=augmentation,
                    oracle=bool(system.facts.oracle),
                    metric=metric,
                    scores=scores,
                    models=models,
                )
                for shots in track.shots
                for metric, table in track.metrics.items()
            ]

    def _needs(self, system: System, suite: Suite, trained_on: str | None, seed: int) -> dict[str, str]:
        if system.facts.needs and trained_on is None:
            raise UserError(f"plugins/{system.plugin}/plugin.yaml: it needs weights, but its track trains on nothing")
        return {
            name: self._train(self._systems[needed], suite, str(trained_on), seed)
            for name, needed in system.facts.needs.items()
        }

    def _train(self, system: System, suite: Suite, trained_on: str, seed: int) -> str:
        settings = self.settings
        owner = system.model_name
        output = f"models/{settings.profile}/{owner}/{trained_on}/seed{seed}.json"
        if output in self.jobs["train"]:
            return output
        split = find_split(suite, trained_on, "train", settings)
        data = {f"{trained_on}/train": self._render(split, "train")}
        needs = self._needs(system, suite, trained_on, seed)
        parents = [*data.values(), *needs.values()]
        renderers = dict.fromkeys(data, split.renderer) if settings.stream else {}
        self._add(
            "train",
            Job(
                output=output,
                values=TrainJob(
                    system=owner,
                    plugin=system.plugin,
                    trained_on=trained_on,
                    parameters=self._budgeted(system.train),
                    data=data,
                    renderers=renderers,
                    needs=needs,
                    seed=seed,
                    precision=settings.precision,
                    threads=settings.threads,
                    device=settings.device,
                    compile=settings.compile,
                    gpu=system.facts.gpu,
                ),
                manifests=parents,
                products=[_product(parent) for parent in parents],
                modules=(
                    "pipeline.train.__main__",
                    f"plugins.{system.plugin}.model",
                    *(f"pipeline.render.{name}" for name in renderers.values()),
                ),
                threads=settings.threads * settings.ranks,
                gpu=system.facts.gpu,
            ),
        )
        return output

    def _render(self, split: Split, name: str, oracle: Mapping[str, Any] | None = None) -> str:
        output = f"data/episodes/{self.settings.profile}/{split.dataset}/{name}.json"
        sources = {source: self._download(source) for source in split.sources}
        self._add(
            "render",
            Job(
                output=output,
                values=RenderJob(
                    dataset=split.dataset,
                    split=name,
                    renderer=split.renderer,
                    parameters=split.parameters | dict(oracle or {}),
                    sources=sources,
                    episodes=split.episodes,
                    stream=self.settings.stream and name == "train",
                ),
                manifests=list(sources.values()),
                products=[_product(source) for source in sources.values()],
                modules=("pipeline.render.__main__", f"pipeline.render.{split.renderer}"),
            ),
        )
        return output

    def _download(self, source: str) -> str:
        if source not in self._sources:
            raise UserError(f"a suite names the unknown source '{source}'; {nearest(source, self._sources)}")
        origin = self.settings.origin
        output = f"data/raw/{origin}/{source}.json"
        row = self._sources[source].model_dump(include=set(Entry.model_fields))
        entry = Entry.model_validate(row) if origin == "real" else None
        values = DownloadJob(source=source, origin=origin, entry=entry)
        self._add("download", Job(output=output, values=values, modules=code_modules(values)))
        return output

    def _add(self, stage: str, job: Job) -> None:
        known = self.jobs[stage].setdefault(job.output, job)
        if known.values != job.values:
            raise UserError(
                f"two tracks ask for {job.output} with different values; give one of them a name of its own"
            )

    def _budgeted(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Training parameters with the budget applied to those that count episodes."""
        return {
            key: self.settings.scaled(value) if key == "samples" or key.endswith("_samples") else value
            for key, value in parameters.items()
        }

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
                    metrics=suite.metrics,
                    tracks={track: facts.title for track, facts in suite.tracks.items()},
                    plots=suite.plots,
                )
                for name, suite in self._suites.items()
            ],
            cells=self.cells,
            sources=self.outputs("download"),
        )


def count_gpus() -> int:
    """Number of NVIDIA cards here, asked without importing torch."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def _takes_part(system: System, enters: Enters) -> bool:
    return enters.variants is None or (system.variant or "base") in enters.variants


def _product(manifest: str) -> str:
    """Path of the folder a manifest describes."""
    stem = manifest.removesuffix(".json")
    return stem + ".zarr" if stem.startswith("data/episodes/") else stem
