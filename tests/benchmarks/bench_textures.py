"""Rendering collages and texturized characters: the compiled paths against plain ones, and the memory of a large bank.

`python -m tests.benchmarks.bench_textures`. Both paths take turns in one process on one thread, several in a round, so
that whoever else fills the memory's bus slows both; a ratio is the median of the rounds, with the least and the
greatest. The plain collage is a float64 mask and a product for every region, the plain character four bilinear passes
of scipy over whole pictures; neither cuts a reference or writes a label map, which the compiled paths do.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.closure import ROOT
from pipeline.render.colltex import Collage, CollTex
from pipeline.render.glyphs import pack
from pipeline.render.texturized_omniglot import TexturizedOmniglot
from pipeline.render.texturized_scene import Scene
from tests.benchmarks.bench_render import glyphs, seconds
from tests.render import plain_characters, plain_collage
from tests.render.banks import held

SIDE, BANK, TEXTURES = 256, 320, 300
REGIONS, CHARACTERS = (2, 5, 10, 20), (4, 8, 16, 32)
ROUNDS, TURNS, MANY = 5, 5, 100
EPISODES = 4000
MEMORY = """
import resource, sys, tempfile
from pathlib import Path
from pipeline.render.colltex import renderer
from pipeline.render.write import write_store
drawn = renderer(split="train", sources={"photos": Path(sys.argv[1])}, side=256, regions=[1, 10], patch=64)
with tempfile.TemporaryDirectory() as work:
    write_store(drawn, int(sys.argv[2]), work=Path(work), recipe="", threads=2)
print(drawn.facts["textures"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
WRITE = """
import sys
from pathlib import Path
from pipeline.episodes import ArraySpec, Layout, create_store
import numpy as np
side, count = 320, 5640
layout = Layout(
    arrays={"textures": ArraySpec((side, side, 3))},
    attributes={"names": [f"a/{i}.jpg" for i in range(count)], "side": side},
    shard=64,
    chunk=16,
)
array = create_store(Path(sys.argv[1]), layout, count)["textures"]
for start in range(0, count, 64):
    array[start : start + 64] = np.full((min(64, count - start), side, side, 3), start // 64, np.uint8)
"""


def spread(fast: Callable[[], object], many: int, plain: Callable[[], object], few: int) -> str:
    """Microseconds a scene of the fast path, and the plain path's time over it."""
    for _ in range(2):  # the allocator keeps the memory of the arrays from the second call on, as in a long run
        fast()
    took, ratios = [], []
    for _ in range(ROUNDS):
        turns = [(seconds(fast) / many, seconds(plain) / few) for _ in range(TURNS)]
        ours, theirs = map(sum, zip(*turns, strict=True))
        took.append(ours / TURNS)
        ratios.append(theirs / ours)
    return (
        f"{1e6 * statistics.median(took):8.0f}  {statistics.median(ratios):6.1f} [{min(ratios):.1f}, {max(ratios):.1f}]"
    )


def collages(textures: NDArray[np.uint8], regions: int) -> str:
    """One row of the table of collages."""
    collage = Collage(regions, regions, 64, True, False, False)
    drawn = CollTex(held(textures), split="train", side=SIDE, collage=collage, seed=0)
    random = np.random.default_rng(regions)
    chosen = textures[:regions, :SIDE, :SIDE] / 255.0
    few = max(2, 40 // regions)

    def plain() -> None:
        for _ in range(few):
            plain_collage.collage(chosen, *random.integers(0, SIDE, (2, regions)))

    return spread(lambda: drawn.shard(0, MANY), MANY, plain, few)


def characters(drawings: NDArray[np.uint8], textures: NDArray[np.uint8], count: int, released: bool) -> str:
    """One row of the table of texturized characters."""
    scene = Scene(count, False, 64, released, True, 50)
    drawn = TexturizedOmniglot(held(textures), pack(drawings), split="train", side=SIDE, scene=scene, seed=0)
    random = np.random.default_rng(count)
    floats, filled = drawings[:, 0].astype(np.float64), list(textures[:count, :SIDE, :SIDE] / 255.0)

    def plain() -> None:
        shown = []
        for glyph in floats[random.integers(0, len(floats), count)]:
            first, second = random.uniform(0.5, 2, 2)
            shift = random.uniform(-100, 100, 2)
            shown.append(
                plain_characters.released_chain(glyph, random.integers(360), (first, second), (shift[0], shift[1]))
            )
        plain_characters.scene(shown, filled, (SIDE, SIDE))

    return spread(lambda: drawn.shard(0, MANY), MANY, plain, 1)


def memory() -> str:
    """Greatest resident size of a process that renders a long split from a bank of the complete DTD's size."""
    with tempfile.TemporaryDirectory() as folder:
        bank = str(Path(folder) / "photos.zarr")
        subprocess.run([sys.executable, "-c", WRITE, bank], cwd=ROOT, check=True)
        command = [sys.executable, "-c", MEMORY, bank, str(EPISODES)]
        found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return f"{EPISODES:,} collages of {found[0]} textures of {BANK} pixels: {int(found[1]) * 1024 / 1e9:.2f} GB at most"


def main() -> None:
    """Print the tables."""
    textures = np.random.default_rng(0).integers(0, 256, (TEXTURES, BANK, BANK, 3), dtype=np.uint8)
    print("collages, N   us/scene  times plain float64 [least, greatest]")
    for regions in REGIONS:
        print(f"{regions:<12d} {collages(textures, regions)}", flush=True)
    drawings = glyphs()[0][:50]
    for geometry in ("released", "paper"):
        print(f"characters ({geometry}), n   us/scene  times the plain chain [least, greatest]")
        for count in CHARACTERS:
            print(f"{count:<12d} {characters(drawings, textures, count, geometry == 'released')}", flush=True)
    print(memory())


if __name__ == "__main__":
    main()
