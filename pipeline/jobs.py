"""The jobs of the pipeline: for each stage, the values, inputs and code of one unit of work.

A job is found by the path of what it writes, so that a rule needs to know no more than its own wildcards.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline import closure
from pipeline.download.job import DownloadJob, Entry, code_modules, read_sources
from pipeline.errors import UserError, nearest
from pipeline.evaluate.job import EvaluateJob, MeasureJob
from pipeline.job import Facts, parse
from pipeline.manifest import canonical
from pipeline.plugin import System
from pipeline.render.job import RenderJob
from pipeline.settings import Settings, by_profile
from pipeline.suite import Bank, Gallery, Split, Suite, Track, train_splits
from pipeline.synthesize.job import SynthesizeJob
from pipeline.texturize import job as texturize
from pipeline.train.job import TrainJob


@dataclass(frozen=True)
class Job:
    """One unit of work and all that decides whether it must run again."""

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


class Jobs:
    """Every job by stage and output path; asking for one adds it and all that it stands on."""

    def __init__(self, settings: Settings, systems: Mapping[str, System]) -> None:
        """No job yet; `systems` are those that others may need."""
        self.by_stage: dict[str, dict[str, Job]] = {
            stage: {} for stage in ("download", "texturize", "render", "train", "synthesize", "evaluate")
        }
        self._settings, self._systems, self._sources = settings, systems, read_sources()

    def evaluate(
        self,
        system: System,
        suite: Suite,
        track: Track,
        train_set: str | None,
        split: Split,
        oracle: list[str],
        most: int | None,
        synthesizers: Sequence[System],
        fits: Split | None,
    ) -> dict[str, tuple[list[str], list[str]]]:
        """Add the evaluations of one system on one split: augmentation -> (scores, models), a path a seed each.

        Where supports are augmented, `synthesizers` are fitted to the pairs of `fits`, and seeds are those of the runs,
        all with the model of the first seed.
        """
        found: dict[str, tuple[list[str], list[str]]] = {}
        settings = self._settings
        own = settings.seeds if system.learned else (0,)
        seeds = [(own[0], run) for run in range(settings.runs)] if fits else [(seed, seed) for seed in own]
        for augmentation, synthesizer in augmentations(track, synthesizers):
            scores, models = found.setdefault(augmentation, ([], []))
            pairs = self.synthesize(synthesizer, suite, fits, settings.seeds[0]) if synthesizer and fits else None
            for seed, run in seeds:
                model = self.train(system, suite, str(train_set), oracle, seed) if system.facts.trained else None
                models += [model] if model and model not in models else []
                needs = {} if model else self._needs(system, suite, train_set, seed)
                extended = (augmentation, pairs)
                scores.append(
                    self._score(system, suite, track, split, extended, run, oracle, most, model, train_set, needs)
                )
        return found

    def _score(
        self,
        system: System,
        suite: Suite,
        track: Track,
        split: Split,
        extended: tuple[str, str | None],
        seed: int,
        oracle: list[str],
        most: int | None,
        model: str | None,
        train_set: str | None,
        needs: dict[str, str],
    ) -> str:
        augmentation, pairs = extended
        settings, trained_on = self._settings, train_set if system.learned else None
        data, shown = self.render(split, split.split), self._oracles(system, split, oracle)
        pretrained = {} if model else self._pretrained(system)
        statistics = sorted({suite.metrics[metric].statistic for metric in track.metrics})
        folder = f"results/scores/{settings.profile}/{system.name}/{trained_on or 'none'}/{split.name}/{augmentation}"
        return self._add(
            "evaluate",
            f"{folder}/seed{seed}.json",
            EvaluateJob(
                system=system.name,
                plugin=system.plugin,
                trained_on=trained_on,
                tested_on=split.name,
                augmentation=augmentation,
                standard="standard" in augmentation.split("-"),
                synthetic=pairs,
                train_parameters=self._budgeted(system.train),
                evaluate_parameters=system.evaluate,
                model=model,
                needs=needs,
                pretrained=pretrained,
                insist=settings.weights == "pretrained",
                data=data,
                oracle=shown,
                truth="truth" in oracle,
                episodes=min(split.episodes, most or split.episodes),
                shots=track.shots,
                statistics={name: suite.statistics[name] for name in statistics},
                batch=by_profile(system.facts.batch, settings.profile),
                pictures=settings.pictures,
                kept=track.kept,
                seed=seed,
                threads=settings.threads,
                precision=settings.evaluation_precision,
                device=settings.device,
            ),
            parents=[
                data,
                *self._galleries(split),  # images are read from where they are
                *shown.values(),
                *([model] if model else []),
                *needs.values(),
                *pretrained.values(),
                *([pairs] if pairs else []),
            ],
            loads=[f"plugins.{system.plugin}.model", *(f"pipeline.evaluate.statistics.{name}" for name in statistics)],
            threads=settings.threads,
            gpu=system.facts.gpu_evaluate,
        )

    def train(self, system: System, suite: Suite, train_set: str, oracle: list[str], seed: int) -> str:
        """Add the training of one system under one seed; return its manifest."""
        settings, owner = self._settings, system.model_name
        splits = {f"{split.dataset}/train": split for split in train_splits(suite, train_set, settings)}
        data = {name: self.render(split, "train") for name, split in splits.items()}
        shown = {name: found for name, split in splits.items() if (found := self._oracles(system, split, oracle))}
        needs, pretrained = self._needs(system, suite, train_set, seed), self._pretrained(system)
        streams = {name: split for name, split in splits.items() if split.stream}
        banks = {self.texturize(name, bank): "" for split in streams.values() for name, bank in split.banks.items()}
        return self._add(
            "train",
            f"models/{settings.profile}/{owner}/{train_set}/seed{seed}.json",
            TrainJob(
                system=owner,
                plugin=system.plugin,
                trained_on=train_set,
                parameters=self._budgeted(system.train),
                data=data,
                oracle=shown,
                renderers={name: split.renderer for name, split in streams.items()},
                needs=needs,
                pretrained=pretrained,
                insist=settings.weights == "pretrained",
                seed=seed,
                precision=settings.precision,
                threads=settings.threads,
                device=settings.device,
                compile=settings.compile,
            ),
            parents=[
                *data.values(),
                *banks,  # a stream's textures are read from where they are, and images as well
                *dict.fromkeys(path for split in splits.values() for path in self._galleries(split)),
                *(path for fields in shown.values() for path in fields.values()),
                *needs.values(),
                *pretrained.values(),
            ],
            loads=[
                f"plugins.{system.plugin}.model",
                *(f"pipeline.render.{split.renderer}" for split in streams.values()),
            ],
            threads=settings.threads * settings.ranks,
            gpu=system.facts.gpu,
        )

    def synthesize(self, system: System, suite: Suite, split: Split, seed: int) -> str:
        """Add the fitting of a synthesizer to the pairs of a split, and its samples; return their manifest."""
        settings, data = self._settings, self.render(split, split.split)
        nets = self._nets(suite)
        return self._add(
            "synthesize",
            f"data/synthetic/{settings.profile}/{system.name}/{split.dataset}/seed{seed}.json",
            SynthesizeJob(
                system=system.name,
                plugin=system.plugin,
                dataset=split.dataset,
                data=data,
                pairs=split.episodes,
                parameters=self._budgeted(system.train) | system.evaluate,
                samples=by_profile(suite.synthesis.samples, settings.profile),
                keep=suite.synthesis.keep,
                nets=nets,
                insist=settings.weights == "pretrained",
                seed=seed,
                precision=settings.precision,
                threads=settings.threads,
                device=settings.device,
                compile=settings.compile,
            ),
            parents=[data, *self._galleries(split), *nets.values()],
            loads=[f"plugins.{system.plugin}.model"],
            threads=settings.threads * settings.side_by_side,
            gpu=system.facts.gpu,
        )

    def measure(self, system: System, suite: Suite, split: Split) -> dict[str, tuple[list[str], list[str]]]:
        """Add the measuring of a synthesizer's samples: augmentation -> (scores, samples), a path a seed each."""
        settings, nets = self._settings, self._nets(suite)
        found = [self.synthesize(system, suite, split, seed) for seed in settings.seeds]
        folder = f"results/scores/{settings.profile}/{system.name}/{split.dataset}/{split.name}/none"
        scores = [
            self._add(
                "evaluate",
                f"{folder}/seed{seed}.json",
                MeasureJob(
                    system=system.name,
                    tested_on=split.name,
                    pairs=pairs,
                    data=self.render(split, split.split),
                    statistics={
                        name: {key: by_profile(value, settings.profile) for key, value in given.items()}
                        for name, given in suite.statistics.items()
                    },
                    nets=nets,
                    insist=settings.weights == "pretrained",
                    pictures=settings.pictures,
                    seed=seed,
                    threads=settings.threads,
                    device=settings.device,
                ),
                parents=[pairs, self.render(split, split.split), *self._galleries(split), *nets.values()],
                loads=[
                    "pipeline.evaluate.synthetic",
                    *(f"pipeline.evaluate.pair_statistics.{name}" for name in suite.statistics),
                ],
                threads=settings.threads,
                gpu=system.facts.gpu_evaluate,
            )
            for seed, pairs in zip(settings.seeds, found, strict=True)
        ]
        return {"none": (scores, found)}

    def _nets(self, suite: Suite) -> dict[str, str]:
        """Add the downloads of the networks that filter and measure samples, if the settings ask for any."""
        if self._settings.weights == "scratch" or self._settings.origin == "sample":
            return {}
        return {name: self.download(name) for name in suite.synthesis.nets}

    def render(self, split: Split, name: str, oracle: Mapping[str, Any] | None = None) -> str:
        """Add the rendering of one split, or of its oracle data; return its manifest."""
        sources = {source: self.download(source) for source in split.sources}
        sources |= {bank: self.texturize(bank, facts) for bank, facts in split.banks.items()}
        sources |= dict(zip(split.galleries, self._galleries(split), strict=True))
        return self._add(
            "render",
            f"data/episodes/{self._settings.profile}/{split.dataset}/{name}.json",
            RenderJob(
                dataset=split.dataset,
                split=name,
                renderer=split.renderer,
                parameters=split.parameters | dict(oracle or {}),
                sources=sources,
                episodes=split.episodes,
                stream=split.stream,
            ),
            parents=list(sources.values()),
            loads=[f"pipeline.render.{split.renderer}"],
            threads=self._settings.threads,
        )

    def gallery(self, name: str, facts: Gallery) -> str:
        """Add the gathering of one gallery of images; return its manifest."""
        spare = facts.spare if self._settings.origin == "real" else []  # a sample lacks nothing
        sources = {source: self.download(source) for source in [*facts.sources, *spare]}
        return self._add(
            "render",
            f"data/episodes/{self._settings.profile}/{name}/images.json",
            RenderJob(
                dataset=name,
                split="images",
                renderer=facts.renderer,
                parameters=facts.parameters,
                sources=sources,
                spare=spare,
                episodes=None,
            ),
            parents=list(sources.values()),
            loads=[f"pipeline.render.{facts.renderer}"],
        )

    def _galleries(self, split: Split) -> list[str]:
        return [self.gallery(name, facts) for name, facts in split.galleries.items()]

    def render_alone(self, split: Split, field: str) -> str:
        """Add the rendering of one split, or of its oracle data `field` where that is not empty."""
        if field and field not in split.oracles:
            raise UserError(
                f"the data set '{split.dataset}' has no oracle data '{field}'; {nearest(field, split.oracles)}"
            )
        return self.render(split, f"{split.split}-{field}" if field else split.split, split.oracles.get(field))

    def texturize(self, name: str, bank: Bank) -> str:
        """Add the making of one bank of textures; return its manifest."""
        settings, facts = self._settings, bank.synthesis
        synthesis = None if facts is None else parse(texturize.Synthesis, facts, f"the synthesis of the bank '{name}'")
        photos = self.download(bank.source)
        if synthesis and (settings.weights == "scratch" or settings.origin == "sample"):
            synthesis = synthesis.model_copy(update={"trunk": "random"})
        weights = self.download(synthesis.trunk) if synthesis and synthesis.trunk != "random" else None
        _, *loads = texturize.code_modules(synthesis is not None)
        return self._add(
            "texturize",
            f"data/textures/{settings.profile}/{name}.json",
            texturize.BankJob(
                bank=name,
                photos=photos,
                side=bank.side,
                synthesis=synthesis,
                weights=weights,
                insist=weights is not None and settings.weights == "pretrained",
                device=settings.device if synthesis else "cpu",
            ),
            parents=[photos, *([weights] if weights else [])],
            loads=loads,
            threads=settings.threads,
            gpu=4 if synthesis else 0,
        )

    def download(self, source: str) -> str:
        """Add the fetching of one source, or the generation of its sample; return its manifest."""
        if source not in self._sources:
            raise UserError(f"a suite names the unknown source '{source}'; {nearest(source, self._sources)}")
        origin = self._settings.origin
        row = self._sources[source].model_dump(include=set(Entry.model_fields))
        values = DownloadJob(
            source=source, origin=origin, entry=Entry.model_validate(row) if origin == "real" else None
        )
        _, *loads = code_modules(values)  # the entry module is the stage's
        return self._add("download", f"data/raw/{origin}/{source}.json", values, parents=[], loads=loads)

    def _oracles(self, system: System, split: Split, fields: list[str]) -> dict[str, str]:
        """Add the rendering of a split's oracle data: field -> manifest. `truth` has no data of its own."""
        for name in fields:
            if name not in {*split.oracles, "truth"}:
                asked = f"plugins/{system.plugin}/plugin.yaml asks for the oracle data '{name}'"
                raise UserError(
                    f"{asked}, which the data set '{split.dataset}' lacks: add them to its `oracles` in suite.yaml, or "
                    f"put `oracle: []` in that line of 'enters'"
                )
        stores = {name: f"{split.split}-{name}" for name in fields if name != "truth"}
        return {name: self.render(split, store, split.oracles[name]) for name, store in stores.items()}

    def _needs(self, system: System, suite: Suite, train_set: str | None, seed: int) -> dict[str, str]:
        if system.needs and train_set is None:
            raise UserError(f"plugins/{system.plugin}/plugin.yaml: it needs weights, but its track trains on nothing")
        needed = {name: self._systems[other] for name, other in system.needs.items()}
        return {
            name: self.train(other, suite, str(train_set), other.facts.oracle, seed) for name, other in needed.items()
        }

    def _pretrained(self, system: System) -> dict[str, str]:
        """Add the downloads of the published weights that the settings ask for: name -> manifest."""
        if self._settings.weights == "scratch" or self._settings.origin == "sample":
            return {}
        return {name: self.download(source) for name, source in system.pretrained.items()}

    def schedule(self, system: System) -> float | None:
        """Share of the published training samples: the least over the system and what it needs; None without any."""
        wanted = sum(_samples(system.published).values())
        own = [sum(_samples(self._budgeted(system.train)).values()) / wanted] if wanted else []
        needed = [self.schedule(self._systems[name]) for name in system.needs.values()]
        return min([*own, *(share for share in needed if share is not None)], default=None)

    def _budgeted(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Training parameters with the budget applied to those that count episodes."""
        return {**parameters, **{key: self._settings.scaled(value) for key, value in _samples(parameters).items()}}

    def _add(
        self,
        stage: str,
        output: str,
        values: Facts,
        *,
        parents: list[str],
        loads: list[str],
        threads: int = 1,
        gpu: int = 0,
    ) -> str:
        job = Job(
            values=values,
            manifests=parents,
            products=[_product(parent) for parent in parents],
            modules=(f"pipeline.{stage}.__main__", *loads),
            threads=threads,
            gpu=gpu,
        )
        if self.by_stage[stage].setdefault(output, job).values != values:
            raise UserError(f"two tracks ask for {output} with different values; give one of them a name of its own")
        return output


def augmentations(track: Track, synthesizers: Sequence[System]) -> Iterator[tuple[str, System | None]]:
    """Name of each way to extend supports (`standard-osmis`), and the synthesizer behind it."""
    for kind in track.augmentation:
        if "synthetic" not in kind:
            yield kind, None
            continue
        for synthesizer in synthesizers:
            yield kind.replace("synthetic", synthesizer.name.replace("-", "_")), synthesizer


def reference_of(augmentation: str) -> str | None:
    """What an augmentation is compared with: the same without synthetic pairs, or else nothing; None for `none`."""
    if augmentation == "none":
        return None
    return "standard" if augmentation.startswith("standard-") else "none"


def _samples(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Those parameters that count training episodes."""
    return {key: value for key, value in parameters.items() if key == "samples" or key.endswith("_samples")}


def _product(manifest: str) -> str:
    """Path of the folder a manifest describes."""
    stem = manifest.removesuffix(".json")
    return stem + ".zarr" if stem.startswith(("data/episodes/", "data/textures/")) else stem
