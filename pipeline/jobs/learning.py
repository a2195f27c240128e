"""Jobs that fit networks: the trainings of systems, and the synthesizers of pairs."""

import os
from collections.abc import Mapping
from typing import Any

from pipeline.errors import UserError
from pipeline.jobs.data import DataJobs
from pipeline.plugin import System
from pipeline.settings import by_profile
from pipeline.suite import Split, Suite, train_splits
from pipeline.synthesize.job import SynthesizeJob
from pipeline.train.job import TrainJob


class LearningJobs(DataJobs):
    """The jobs before any score."""

    snapshots: Mapping[tuple[str, str], list[int]] = {}
    """(system that owns the model, training set) -> percents of training after which its weights are kept."""

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
                snapshots=self.snapshots.get((owner, train_set), []),
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

    def schedule(self, system: System) -> float | None:
        """Share of the published training samples: the least over the system and what it needs; None without any."""
        wanted = sum(_samples(system.published).values())
        own = [sum(_samples(self._budgeted(system.train)).values()) / wanted] if wanted else []
        needed = [self.schedule(self._systems[name]) for name in system.needs.values()]
        return min([*own, *(share for share in needed if share is not None)], default=None)

    def _nets(self, suite: Suite) -> dict[str, str]:
        """Add the downloads of the networks that filter and measure samples, if the settings ask for any."""
        if self._settings.weights == "scratch" or self._settings.origin == "sample":
            return {}
        return {name: self.download(name) for name in suite.synthesis.nets}

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
        for source in system.pretrained.values():
            if getattr(self._settings, source, False):
                self._check_mirror(source)
        return {name: self.download(source) for name, source in system.pretrained.items()}

    def _check_mirror(self, source: str) -> None:
        """`UserError` where the setting of a source's name says that the mirror has it, and it has not."""
        from pipeline.download.mirror import Mirror  # here: it loads requests, for which every plan would wait

        place = self._settings.mirror or os.environ.get("GLIMPSE_MIRROR", "")
        known = {row.mirror or name for name, row in self._sources.items()}
        if not place or not Mirror(place, known).layers(source):
            named = ", ".join(file.file for file in self._sources[source].files)
            where = f"the mirror {place} has no '{source}'" if place else "there is no mirror"
            raise UserError(f"{source}=true, but {where}: list {named} in a mirror.yaml, and set mirror to its folder")

    def _budgeted(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Training parameters with the budget applied to those that count episodes."""
        return {**parameters, **{key: self._settings.scaled(value) for key, value in _samples(parameters).items()}}


def _samples(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Those parameters that count training episodes."""
    return {key: value for key, value in parameters.items() if key == "samples" or key.endswith("_samples")}
