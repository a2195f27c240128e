"""Starting a job: a fresh process of a stage against one that is forked from the server of the run.

`python -m tests.benchmarks.bench_launch` alternates `python -m pipeline.STAGE --help` and `python -m pipeline.launch
STAGE --help`: all that comes before a job's own work, except that a training imports `torch._dynamo` only when it makes
its optimizer, which a forked one has done as well.
"""

import os
import statistics
import subprocess
import sys
import time

from pipeline.launch import VARIABLE, announce
from tests.miniature import ROOT

ROUNDS = 7


def seconds(*module: str) -> float:
    """Wall time of one `python -m MODULE --help`."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", *module, "--help"], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the table. The server's own start, which the first job of a stage waits for, has a column of its own."""
    os.environ.pop(VARIABLE, None)
    announce(True)
    print(f"starting a job: median of {ROUNDS} rounds, seconds, and the median of their ratios [least, greatest]")
    print(f"{'stage':12}{'fresh':>8}{'forked':>8}{'first':>8}   fresh/forked")
    for stage in ("render", "evaluate", "train"):
        first = seconds("pipeline.launch", stage)
        rounds = [(seconds(f"pipeline.{stage}"), seconds("pipeline.launch", stage)) for _ in range(ROUNDS)]
        fresh, forked = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = [a / b for a, b in rounds]
        spread = f"{statistics.median(ratios):5.1f} [{min(ratios):.1f}, {max(ratios):.1f}]"
        print(f"{stage:12}{fresh:8.2f}{forked:8.2f}{first:8.2f}   {spread}", flush=True)


if __name__ == "__main__":
    main()
