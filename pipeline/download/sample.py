"""A built-in sample: small generated data in the source's official layout, so that the same loaders read it."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from pipeline.download.job import DownloadJob, Outcome
from pipeline.errors import UserError
from pipeline.manifest import digest_tree


def make(job: DownloadJob, staged: Path, _work: Path, _mirror: str) -> Outcome:
    """Generate the sample in the folder `staged`; it is never complete, for it is no part of the real data."""
    name = f"pipeline.download.samples.{job.source}"
    if find_spec(name) is None:
        raise UserError(f"the source '{job.source}' has no built-in sample: choose profile=lite or leave its suite out")
    import_module(name).generate(staged, job.sample, job.seed)
    return Outcome(digest_tree(staged), complete=False, notes={"origin": "sample"})
