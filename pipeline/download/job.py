"""The job of one source."""

from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.download.sources import Entry, Source, read_sources
from pipeline.job import Facts

__all__ = ["DownloadJob", "Entry", "Outcome", "Source", "code_modules", "read_sources"]


class DownloadJob(Facts):
    """Fetch one source, or generate its built-in sample."""

    source: str
    """Its name in sources.yaml."""
    origin: Literal["sample", "real"]
    entry: Entry | None
    """What the table says about fetching it; None for a sample."""
    sample: dict[str, Any] = {}
    """Parameters of the sample's generator; empty means its defaults."""
    seed: int = 0
    """Root of the sample's random numbers; nothing real depends on it."""


@dataclass(frozen=True)
class Outcome:
    """What making a source came to; the manifest says so."""

    digest: str | None
    complete: bool
    available: bool = True
    notes: dict[str, Any] = field(default_factory=dict)


def code_modules(job: DownloadJob) -> tuple[str, ...]:
    """The entry module and what it loads by name, so that an edit of the network code regenerates no sample."""
    generator = (f"pipeline.download.samples.{job.source}",) if job.origin == "sample" else ()
    return ("pipeline.download.__main__", f"pipeline.download.{job.origin}", *generator)
