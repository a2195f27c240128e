"""A job, and the ledger that finds it by the path of what it writes: a rule needs no more than its own wildcards."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline import closure
from pipeline.download.job import read_sources
from pipeline.errors import UserError
from pipeline.job import Facts
from pipeline.manifest import canonical
from pipeline.plugin import System
from pipeline.settings import Settings


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


class Ledger:
    """Every job by stage and output path; asking for one adds it and all that it stands on."""

    def __init__(self, settings: Settings, systems: Mapping[str, System]) -> None:
        """No job yet; `systems` are those that others may need."""
        self.by_stage: dict[str, dict[str, Job]] = {
            stage: {} for stage in ("download", "texturize", "render", "train", "synthesize", "evaluate")
        }
        self._settings, self._systems, self._sources = settings, systems, read_sources()

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


def _product(manifest: str) -> str:
    """Path of the folder a manifest describes."""
    stem = manifest.removesuffix(".json")
    return stem + ".zarr" if stem.startswith(("data/episodes/", "data/textures/")) else stem
