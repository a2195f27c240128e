"""OSMIS: an iteration with the exact rewrites against the plain one of the tests, weights and draws equal.

A reduced size, 96x160 at full width, batch 5, without the augmentation of inputs, which is the same on both sides and
is timed apart. Seconds are the process's own on one thread (on a GPU: of the wall), medians of alternating rounds.
Aim on a CPU: 1.5x.
"""

import resource
import statistics
import time
from collections.abc import Callable

import torch

from pipeline.device import name_of
from pipeline.layers.one_shot.training import Adversarial
from pipeline.segmenter import Batch, Frame, Supports
from plugins.osmis.model import build
from tests.benchmarks.bench_masknet import ratio
from tests.layers.one_shot.plain_training import plainly

ROUNDS = 5


def pair(stage: Adversarial, device: torch.device) -> Batch:
    """Noise with one object; what is in it changes no time."""
    generator = torch.Generator().manual_seed(0)
    size = stage.model.size
    images = torch.randint(256, (1, 3, *size), dtype=torch.uint8, generator=generator)
    masks = torch.zeros(1, *size, dtype=torch.uint8)
    masks[:, 20:40, 30:60] = 1
    frame = Frame(images.expand(stage.batch, -1, -1, -1), masks.expand(stage.batch, -1, -1)).to(device)
    return Batch(Supports((), 1), (frame,))


def kept_bytes(run: Callable[[], object]) -> int:
    """Bytes of all tensors that autograd holds for backward passes, over the whole of `run`."""
    storages: dict[tuple[int, int], int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr(), storage.nbytes()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run()
    return sum(storages.values())


def main() -> None:
    """Print the ratio, how far losses are apart, what the augmentation takes, and memory."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    settings = {"height": 480, "width": 854, "objects": 1, "frame": (96, 160)}
    stages = {"rewritten": build(**settings, augment="none").stages[0], "augmented": build(**settings).stages[0]}
    stages["plain"] = plainly(stages["rewritten"].model)
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in stages}
    losses: dict[str, float] = {}
    for stage in stages.values():
        stage.model.to(device).train()
        stage.setup(device, torch.float32)
    batch = pair(stages["rewritten"], device)
    for number in range(ROUNDS + 1):
        for name, stage in stages.items():
            torch.manual_seed(number)
            start = clock()
            found = stage.step([batch], number * stage.batch)
            losses.setdefault(name, float(found["real_loss"]))
            seconds[name].append(clock() - start)
    fast, slow, more = (seconds[name][1:] for name in ("rewritten", "plain", "augmented"))
    height, width = stages["rewritten"].model.size
    print(f"{name_of(device)}, float32, {height}x{width}, batch {stages['rewritten'].batch}")
    print(f"an iteration: {statistics.median(fast):.3f} s, {ratio(slow, fast)} of the plain one")
    print(f"  losses of the first one differ by {abs(losses['rewritten'] - losses['plain']):.1e}")
    print(f"  with the augmentation of inputs {statistics.median(more):.3f} s")
    for name in ("rewritten", "plain"):
        held = kept_bytes(lambda stage=stages[name]: stage.step([batch], 0))
        print(f"  {name}: {held / 2**20:.0f} MiB held for backward passes in one iteration, all steps together")
    if device.type == "cpu":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"peak memory of the process, the three side by side: {peak:.2f} GiB")
    else:
        print(f"peak memory of the card: {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
