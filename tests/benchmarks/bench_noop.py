"""What it costs to find out that nothing is to be done: Snakemake and DVC on the miniature project.

`python -m tests.benchmarks.bench_noop` runs the project once, records it with DVC, and then asks again. Every run is
checked to have changed no score.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.miniature import ROOT, Miniature, finished

ROUNDS = 3


def prepare(folder: Path) -> Miniature:
    """A miniature project that has run and is recorded by DVC, without git."""
    project = finished(folder)
    (project.path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", project.path / ".dvc" / "config")
    dvc(project, "config", "core.no_scm", "true")
    dvc(project, "repro")
    return project


def dvc(project: Miniature, *arguments: str) -> None:
    """Run DVC, with a cache of its own."""
    project.run(sys.executable, "-m", "dvc", *arguments, DVC_SITE_CACHE_DIR=str(project.path.parent / "site"))


def touch_code(project: Miniature) -> None:
    """Make everything a user writes newer than every product."""
    for path in (path for name in ("pipeline", "plugins") for path in (project.path / name).rglob("*")):
        os.utime(path)
    for name in ("Snakefile", "params.yaml"):
        os.utime(project.path / name)


def reformat(project: Miniature) -> None:
    """Add a line that says nothing to the Snakefile: DVC asks every stage, and Snakemake finds no job."""
    with (project.path / "Snakefile").open("a") as file:
        file.write("\n")


def score_times(project: Miniature) -> dict[str, int]:
    """When each score was written."""
    return {path.as_posix(): path.stat().st_mtime_ns for path in (project.path / "results" / "scores").rglob("*.json")}


def measure(project: Miniature, before: Callable[[Miniature], None] | None, run: Callable[[], object]) -> list[float]:
    """Seconds of each round; `before` each, untimed, the project is disturbed."""
    seconds = []
    for _ in range(ROUNDS):
        if before:
            before(project)
        written = score_times(project)
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
        assert score_times(project) == written
    return seconds


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        project = prepare(Path(folder))
        outputs = len(list((project.path / ".snakemake" / "metadata").rglob("*")))
        print(f"nothing to be done for {outputs} outputs: median of {ROUNDS} runs [least, greatest], seconds")
        for name, before, run in (
            ("snakemake", None, project.snakemake),
            ("snakemake, all code touched", touch_code, project.snakemake),
            ("dvc repro", None, lambda: dvc(project, "repro")),
            ("dvc repro, all code touched", touch_code, lambda: dvc(project, "repro")),
            ("dvc repro, Snakefile reformatted", reformat, lambda: dvc(project, "repro")),
        ):
            seconds = measure(project, before, run)
            print(f"{name:34}{statistics.median(seconds):6.1f} [{min(seconds):.1f}, {max(seconds):.1f}]", flush=True)


if __name__ == "__main__":
    main()
