"""Jobs that make data: sources, banks of textures, galleries of images, and splits."""

from collections.abc import Mapping
from typing import Any

from pipeline.download.job import DownloadJob, Entry, code_modules
from pipeline.errors import UserError, nearest
from pipeline.job import parse
from pipeline.jobs.job import Ledger
from pipeline.plugin import System
from pipeline.render.job import RenderJob
from pipeline.suite import Bank, Gallery, Split
from pipeline.texturize import job as texturize


class DataJobs(Ledger):
    """The jobs before any training."""

    def download(self, source: str) -> str:
        """Add the fetching of one source, or the generation of its sample; return its manifest."""
        if source not in self._sources:
            raise UserError(f"a suite or plugin names the unknown source '{source}'; {nearest(source, self._sources)}")
        origin = self._settings.origin
        row = self._sources[source].model_dump(include=set(Entry.model_fields))
        values = DownloadJob(
            source=source, origin=origin, entry=Entry.model_validate(row) if origin == "real" else None
        )
        _, *loads = code_modules(values)  # the entry module is the stage's
        return self._add("download", f"data/raw/{origin}/{source}.json", values, parents=[], loads=loads)

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
                episodes=split.runs * split.episodes,
                stream=split.stream,
            ),
            parents=list(sources.values()),
            loads=[f"pipeline.render.{split.renderer}"],
            threads=self._settings.threads,
        )

    def render_alone(self, split: Split, field: str) -> str:
        """Add the rendering of one split, or of its oracle data `field` where that is not empty."""
        if field and field not in split.oracles:
            raise UserError(
                f"the data set '{split.dataset}' has no oracle data '{field}'; {nearest(field, split.oracles)}"
            )
        return self.render(split, f"{split.split}-{field}" if field else split.split, split.oracles.get(field))

    def _galleries(self, split: Split) -> list[str]:
        return [self.gallery(name, facts) for name, facts in split.galleries.items()]

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
