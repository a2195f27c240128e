"""The sample profile of each suite from nothing, on two cores: wall seconds against its limit, and each stage's share.

`python -m tests.benchmarks.bench_sample [suite ...]` ends with 1 where a suite is over its limit.
"""

import csv
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.miniature import ROOT, Miniature

LIMITS = {"augmentation": 90.0, "clutter": 80.0, "pascal5i": 110.0, "synthesis": 90.0, "texture": 80.0}
"""Wall seconds of a suite on two free cores."""


def run(suite: str) -> bool:
    """Run one suite in a copy of the project and print what it took; whether that is within its limit."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "project"
        path.mkdir()
        for name in ("Snakefile", "params.yaml"):
            shutil.copy2(ROOT / name, path / name)
        for name in ("pipeline", "plugins", "profiles", "envs"):
            shutil.copytree(ROOT / name, path / name)
        start = time.perf_counter()
        Miniature(path).snakemake("--config", f"suites={suite}")
        wall = time.perf_counter() - start
        seconds: dict[str, list[float]] = defaultdict(list)
        for file in (path / "logs").rglob("*.benchmark.tsv"):
            with file.open() as lines:
                row = next(csv.DictReader(lines, delimiter="\t"))
            seconds[file.relative_to(path / "logs").parts[0]].append(float(row["s"]))
    print(f"{suite}, sample profile from nothing")
    for stage, jobs in seconds.items():
        print(f"  {stage:12}{len(jobs):4} jobs{sum(jobs):8.1f} s")
    over = "" if wall <= LIMITS[suite] else ": over"
    print(f"  {'wall':12}{'':9}{wall:8.1f} s of {LIMITS[suite]:.0f}{over}")
    return not over


def main() -> None:
    """Run the suites named on the command line, or all."""
    there = sorted(path.parent.name for path in (ROOT / "pipeline" / "suites").glob("*/suite.yaml"))
    within = [run(suite) for suite in sys.argv[1:] or there]
    sys.exit(0 if all(within) else 1)


if __name__ == "__main__":
    main()
