"""Jobs that score: systems on episodes, under each augmentation of supports, and synthesizers on their samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.evaluate.job import EvaluateJob, MeasureJob
from pipeline.jobs.learning import LearningJobs
from pipeline.plugin import System
from pipeline.settings import by_profile
from pipeline.suite import Split, Suite, Track

Found = dict[str, tuple[list[str], list[str]]]
"""Augmentation -> (scores, models or samples), a path a seed each."""


@dataclass(frozen=True)
class Evaluation:
    """One system in one track on one split."""

    system: System
    suite: Suite
    track: Track
    split: Split
    train_set: str | None
    oracle: list[str]
    """Fields of oracle data that the system is shown."""
    most: int | None
    """Episodes that it takes at most."""
    snapshot: int | None = None
    """Percent of training after which the weights were kept; None means the last ones."""


@dataclass(frozen=True)
class _Part:
    """What differs between the scores of one evaluation."""

    augmentation: str
    pairs: str | None
    """Manifest of the synthetic pairs."""
    model: str | None
    needs: dict[str, str]
    """Manifests of the weights of other systems, where there is no model."""
    seed: int
    first: int
    """Of the split's episodes, where its runs have others."""
    by_support: bool


class Jobs(LearningJobs):
    """Every job of the pipeline."""

    def evaluate(self, asked: Evaluation, synthesizers: Sequence[System], fits: Split | None) -> Found:
        """Add the evaluations of one system on one split.

        Where supports are augmented, `synthesizers` are fitted to the pairs of `fits`, and seeds are those of the runs,
        all with the model of the first seed. Supports as they are leave nothing to draw: one run, unless the split has
        other episodes for every run.
        """
        found: Found = {}
        settings, system, split = self._settings, asked.system, asked.split
        own = settings.seeds if system.learned else (0,)
        seeds = [(own[0], run) for run in range(settings.runs)] if fits else [(seed, seed) for seed in own]
        for augmentation, synthesizer in augmentations(asked.track, synthesizers):
            scores, models = found.setdefault(augmentation, ([], []))
            pairs = self.synthesize(synthesizer, asked.suite, fits, settings.seeds[0]) if synthesizer and fits else None
            for seed, run in seeds[:1] if fits and augmentation == "none" and split.runs == 1 else seeds:
                model = None
                if system.facts.trained:
                    model = self.train(system, asked.suite, str(asked.train_set), asked.oracle, seed)
                    models += [model] if model not in models else []
                needs = {} if model else self._needs(system, asked.suite, asked.train_set, seed)
                first = run * split.episodes if fits and split.runs > 1 else 0
                shared = fits is not None and asked.track.kept != "video"  # every video has a support of its own
                scores.append(self._score(asked, _Part(augmentation, pairs, model, needs, run, first, shared)))
        return found

    def _score(self, asked: Evaluation, part: _Part) -> str:
        settings, system, suite, split = self._settings, asked.system, asked.suite, asked.split
        trained_on = asked.train_set if system.learned else None
        data, shown = self.render(split, split.split), self._oracles(system, split, asked.oracle)
        pretrained = {} if part.model else self._pretrained(system)
        statistics = sorted({suite.metrics[metric].statistic for metric in asked.track.metrics})
        values = EvaluateJob(
            system=system.name,
            plugin=system.plugin,
            trained_on=trained_on,
            tested_on=split.name,
            augmentation=part.augmentation,
            standard="standard" in part.augmentation.split("-"),
            synthetic=part.pairs,
            train_parameters=self._budgeted(system.train),
            evaluate_parameters=system.evaluate,
            model=part.model,
            snapshot=asked.snapshot,
            needs=part.needs,
            pretrained=pretrained,
            insist=settings.weights == "pretrained",
            data=data,
            oracle=shown,
            truth="truth" in asked.oracle,
            first=part.first,
            episodes=min(split.episodes, asked.most or split.episodes),
            shots=asked.track.shots,
            statistics={name: suite.statistics[name] for name in statistics},
            by_support=part.by_support,
            batch=by_profile(system.facts.batch, settings.profile),
            pictures=settings.pictures if asked.snapshot is None else 0,
            kept=asked.track.kept,
            seed=part.seed,
            threads=settings.threads,
            precision=settings.evaluation_precision,
            device=settings.device,
        )
        maybe = [path for path in (part.model, part.pairs) if path]
        weights = trained_on or "none" if asked.snapshot is None else f"{trained_on}-at{asked.snapshot}"
        folder = f"results/scores/{settings.profile}/{system.name}/{weights}/{split.name}"
        return self._add(
            "evaluate",
            f"{folder}/{part.augmentation}/seed{part.seed}.json",
            values,
            # Images of episodes are read from where they are, in the galleries.
            parents=[
                data,
                *self._galleries(split),
                *shown.values(),
                *maybe,
                *part.needs.values(),
                *pretrained.values(),
            ],
            loads=[f"plugins.{system.plugin}.model", *(f"pipeline.evaluate.statistics.{name}" for name in statistics)],
            threads=settings.threads,
            gpu=system.facts.gpu_evaluate,
        )

    def measure(self, system: System, suite: Suite, split: Split) -> Found:
        """Add the measuring of a synthesizer's samples."""
        found = {seed: self.synthesize(system, suite, split, seed) for seed in self._settings.seeds}
        scores = [self._measured(system, suite, split, seed, pairs) for seed, pairs in found.items()]
        return {"none": (scores, list(found.values()))}

    def _measured(self, system: System, suite: Suite, split: Split, seed: int, pairs: str) -> str:
        settings, nets, data = self._settings, self._nets(suite), self.render(split, split.split)
        statistics = {
            name: {key: by_profile(value, settings.profile) for key, value in given.items()}
            for name, given in suite.statistics.items()
        }
        values = MeasureJob(
            system=system.name,
            tested_on=split.name,
            pairs=pairs,
            data=data,
            statistics=statistics,
            nets=nets,
            insist=settings.weights == "pretrained",
            pictures=settings.pictures,
            seed=seed,
            threads=settings.threads,
            device=settings.device,
        )
        loads = [f"pipeline.evaluate.pair_statistics.{name}" for name in statistics]
        return self._add(
            "evaluate",
            f"results/scores/{settings.profile}/{system.name}/{split.dataset}/{split.name}/none/seed{seed}.json",
            values,
            parents=[pairs, data, *self._galleries(split), *nets.values()],
            loads=["pipeline.evaluate.synthetic", *loads],
            threads=settings.threads,
            gpu=system.facts.gpu_evaluate,
        )


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
