"""What SG-One remembers of VOC's images: less than 4 GB with all else, and yet nearly every image is looked at once."""

import subprocess
import sys

import pytest
import torch

from pipeline.closure import ROOT
from pipeline.memory import Memory
from pipeline.render.items import benchmark_items
from pipeline.render.tuples import draw_tuples
from pipeline.segmenter import Frame, Supports
from pipeline.settings import load_settings
from plugins.sg_one.model import View, build

MOST = 4_000_000_000
PROGRAM = """
import resource, sys
import torch
from pipeline.memory import Memory
from pipeline.segmenter import Frame, Supports
from plugins.sg_one.model import build

images, features = (int(text) << 20 for text in sys.argv[1:])
torch.set_num_threads(1)
network = build().eval()
network.memory = Memory(features)
for number in range(features >> 23):
    network.memory.recall(number, lambda: torch.ones(1 << 21))  # 8 MiB, about what is kept of an image of VOC
decoded = torch.ones(images, dtype=torch.uint8)
noise = torch.randint(0, 256, (7, 1, 3, 375, 500), dtype=torch.uint8)
frames = [Frame(image, torch.ones(1, 375, 500, dtype=torch.uint8), (f"{n}",)) for n, image in enumerate(noise)]
with torch.no_grad():
    state = network.adapt(Supports(tuple(frames[:5]), 1))
    list(network.predict(state, [Frame(frames[5].images, None, ("5",))]))
assert network.memory.misses > features >> 23
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_five_shots_of_the_published_network_stay_below_4_gb_with_both_caches_full():
    settings = load_settings(ROOT / "params.yaml", {"profile": "lite"})
    bounds = [str(settings.image_cache), str(settings.feature_cache)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *bounds], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < MOST


def test_the_benchmarks_of_one_and_five_shots_take_a_tenth_of_the_passes(monkeypatch):
    """The 4 x 1,000 tuples, in the order in which they are scored; tensors have sizes and no content."""
    network = build(width=16).eval()
    maps = View(*(torch.empty(1, channels, 47, 63, device="meta") for channels in (512, 128)))
    looked = []
    monkeypatch.setattr(network, "look", lambda images: looked.append(1) or maps)
    monkeypatch.setattr(network, "pool", lambda guidance, masks: torch.empty(1, 512, device="meta"))
    monkeypatch.setattr(network, "segment", lambda view, vector, size: torch.zeros(1, 2, *size))
    image = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    for fold in range(4):
        network.memory = Memory(load_settings(ROOT / "params.yaml", {}).feature_cache << 20)
        masks = [torch.ones(1, 2, 2 + cls, dtype=torch.uint8) for cls in range(21)]  # no two alike
        for drawn in sorted(draw_tuples(benchmark_items(fold), supports=5), key=lambda drawn: drawn.query):
            frames = [Frame(image, masks[drawn.cls], (name,)) for name in drawn.supports]
            for shots in (1, 5):
                state = network.adapt(Supports(tuple(frames[:shots]), 1))
                list(network.predict(state, [Frame(image, None, (drawn.query,))]))
    assert len(looked) * 10 <= 4 * 1000 * (2 + 6)
