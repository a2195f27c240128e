"""Rendering cluttered Omniglot: the compiled renderer against the plain Pillow path, and the memory of a long split.

`python -m tests.benchmarks.bench_render` needs the mirror's Omniglot for the hashes and draws strokes where it is not
there. Both paths take turns in one process on one thread; a ratio is the median of the rounds, with the least and the
greatest.
"""

import csv
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.closure import ROOT
from pipeline.render.cluttered_omniglot import SPLITS, ClutteredOmniglot, job_seeds, read_pool
from pipeline.render.glyphs import pack
from pipeline.render.scene import Clutter
from tests.render import plain_pillow
from tests.render.conftest import scribble

LEVELS = (4, 16, 64, 256)
SPLIT = "test_one_shot"
ROUNDS = 5
PLAIN_CHARACTERS = 2000
"""Characters the plain path draws in a round: about 0.2 s."""
LONG, LONG_LEVEL = 100_000, 64
MEMORY = """
import resource, sys, tempfile
from pathlib import Path
import numpy as np
from pipeline.render.cluttered_omniglot import SPLITS, ClutteredOmniglot
from pipeline.render.scene import Clutter
from pipeline.render.write import write_store
clutter = Clutter(int(sys.argv[3]), 0, 0.0)
drawn = ClutteredOmniglot(np.load(sys.argv[1]), split=SPLITS["train"], clutter=clutter, instances=False)
with tempfile.TemporaryDirectory() as work:
    write_store(drawn, int(sys.argv[2]), work=Path(work), recipe="", threads=int(sys.argv[4]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def glyphs() -> tuple[NDArray[np.uint8], bool]:
    """Drawings to render, and whether they are Omniglot's."""
    mirror = Path(os.environ.get("GLIMPSE_MIRROR", ROOT.parent / "shared" / "data")) / "omniglot"
    if mirror.is_dir():
        return read_pool(mirror, SPLITS[SPLIT]), True
    random = np.random.default_rng(0)
    drawn = [~np.asarray(scribble(random)) for _ in range(3520)]
    return np.stack(drawn).astype(np.uint8).reshape(352, 10, 105, 105), False


def seconds(call: Callable[[], object]) -> float:
    """Processor time of one call on this thread, so that a busy machine does not spoil the ratio."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


def renderer(bits: NDArray[np.uint8], characters: int) -> ClutteredOmniglot:
    """The compiled path."""
    return ClutteredOmniglot(bits, split=SPLITS[SPLIT], clutter=Clutter(characters, 0, 0.0), instances=False)


def compare(drawings: NDArray[np.uint8], bits: NDArray[np.uint8], characters: int) -> tuple[float, list[float]]:
    """Seconds a scene of the compiled path (median), and the plain path's time over it, one ratio a round."""
    drawn, pool = renderer(bits, characters), plain_pillow.Pool.of(drawings)
    seed = int(job_seeds(SPLITS[SPLIT].seed, 5)[0])
    few, many = max(4, PLAIN_CHARACTERS // characters), min(2000, 40_000 // characters)
    fast, ratios = [], []
    for _ in range(ROUNDS):
        fast.append(seconds(lambda: drawn.shard(0, many)) / many)
        ratios.append(seconds(lambda: plain_pillow.job(seed, few, pool, characters)) / few / fast[-1])
    return statistics.median(fast), ratios


def hash_holds(bits: NDArray[np.uint8], characters: int) -> bool:
    """Whether the last scene of the split has the published hash."""
    table = (ROOT / "tests" / "render" / "published_md5.tsv").read_text().splitlines()
    published = {(row["characters"], row["split"]): row["md5"] for row in csv.DictReader(table, delimiter="\t")}
    scenes = renderer(bits, characters).shard(4, 2000)["query_images"]
    return hashlib.md5(scenes[-1, 0].tobytes()).hexdigest() == published[str(characters), SPLIT]


def peak_memory(bits: NDArray[np.uint8], threads: int) -> tuple[float, float]:
    """Greatest resident size, in GB, of a process that renders a long split to disk, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        bank = Path(folder) / "bank.npy"
        np.save(bank, bits)
        arguments = [str(bank), str(LONG), str(LONG_LEVEL), str(threads)]
        start = time.perf_counter()
        command = [sys.executable, "-c", MEMORY, *arguments]
        found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        return int(found.stdout) * 1024 / 1e9, time.perf_counter() - start


def main() -> None:
    """Print the table."""
    drawings, real = glyphs()
    bits = pack(drawings)
    print(f"start (compiling, or reading the cache): {seconds(lambda: renderer(bits, 4).shard(0, 1)):.1f} s")
    print("n    us/scene  times plain Pillow [least, greatest]  published hash")
    for characters in LEVELS:
        fast, ratios = compare(drawings, bits, characters)
        holds = ("holds" if hash_holds(bits, characters) else "FAILS") if real else "no mirror"
        spread = f"{statistics.median(ratios):6.1f} [{min(ratios):.1f}, {max(ratios):.1f}]"
        print(f"{characters:<4d} {1e6 * fast:8.1f}  {spread:<36s} {holds}", flush=True)
    threads = len(os.sched_getaffinity(0))
    memory, took = peak_memory(bits, threads)
    print(f"{LONG:,} episodes at n = {LONG_LEVEL}, {threads} threads: {memory:.2f} GB at most, {took:.0f} s")


if __name__ == "__main__":
    main()
