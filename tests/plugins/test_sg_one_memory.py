"""SG-One at five shots needs less than 4 GB on a CPU, however many images there are: what is kept of them is bounded."""

import subprocess
import sys

import pytest

from pipeline.closure import ROOT
from pipeline.settings import load_settings

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
