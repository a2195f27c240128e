"""The sample profile from nothing, on two cores: wall time, and processor-bound seconds of each rule."""

import csv
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.miniature import ROOT, Miniature


def main() -> None:
    """Run it in a copy of the project and add up Snakemake's own benchmark files, by stage."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "project"
        path.mkdir()
        for name in ("Snakefile", "params.yaml"):
            shutil.copy2(ROOT / name, path / name)
        for name in ("pipeline", "plugins", "profiles", "envs"):
            shutil.copytree(ROOT / name, path / name)
        start = time.perf_counter()
        Miniature(path).snakemake()
        wall = time.perf_counter() - start
        seconds: dict[str, list[float]] = defaultdict(list)
        for file in (path / "logs").rglob("*.benchmark.tsv"):
            with file.open() as lines:
                row = next(csv.DictReader(lines, delimiter="\t"))
            seconds[file.relative_to(path / "logs").parts[0]].append(float(row["s"]))
    print("sample profile on two cores, from nothing")
    for stage, jobs in seconds.items():
        print(f"{stage:12}{len(jobs):4} jobs{sum(jobs):8.1f} s")
    print(f"{'wall':12}{'':9}{wall:8.1f} s")


if __name__ == "__main__":
    main()
