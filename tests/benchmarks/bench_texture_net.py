"""TextureNet: search by FFT against direct correlation, and what a training step and a prediction cost.

On a CPU the search is timed on one thread, in the process's own seconds (a busy machine counts less), both ways in
turn; a step and a prediction have one episode at full width. On a GPU a step has batches of 8 in bfloat16 and its share
of the card's peak is printed; direct correlation is left out, as no card has a good kernel for it.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from pipeline.device import name_of
from pipeline.layers.correlation import correlate
from pipeline.segmenter import Batch, Frame, Supports
from plugins.texture_net.model import build
from tests.layers.plain_correlation import direct

SIDE, REFERENCES = 256, (16, 64, 128)
PEAK = 989e12
"""bfloat16 FLOP/s of an H100 or H200, without sparsity; what other cards have is not known here."""


def clock(device: torch.device) -> float:
    """Seconds: of the process on a CPU, of the wall on a GPU that has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def median(call: Callable[[], object], rounds: int, device: torch.device) -> float:
    """Median seconds of `rounds` calls after one to warm up."""
    call()
    seconds = []
    for _ in range(rounds):
        start = clock(device)
        call()
        seconds.append(clock(device) - start)
    return statistics.median(seconds)


def searches(device: torch.device, rounds: int) -> None:
    """A line for each size of reference."""
    for side in REFERENCES:
        shapes = (1, 64, SIDE, SIDE), (1, 64, side, side)
        images, references = (F.normalize(torch.randn(shape, device=device), dim=1) for shape in shapes)
        fast = median(lambda i=images, r=references: correlate(i, r), 10 * rounds, device)
        line = f"reference {side:3}: FFT {1e3 * fast:.1f} ms"
        if device.type == "cpu":
            plain = median(lambda i=images, r=references: direct(i, r), rounds, device)
            wanted = direct(images, references)
            off = float((correlate(images, references) - wanted).abs().max() / wanted.abs().max())
            line += f", direct {plain:.2f} s: {plain / fast:.0f} times faster, relative difference {off:.0e}"
        print(line, flush=True)


def episodes(count: int, device: torch.device) -> Batch:
    """Noise of the published sizes."""
    support = Frame(
        torch.randint(256, (count, 3, 64, 64), dtype=torch.uint8), torch.ones(count, 64, 64, dtype=torch.uint8)
    )
    query = Frame(
        torch.randint(256, (count, 3, SIDE, SIDE), dtype=torch.uint8),
        torch.randint(2, (count, SIDE, SIDE), dtype=torch.uint8),
    )
    return Batch(Supports((support,), 1), (query,)).to(device)


def training(device: torch.device, rounds: int, batch: int, *, scratch: bool) -> None:
    """Episodes a second of training, and the share of the card's peak."""
    network = build(batch=batch, otherwise="trained" if scratch else "frozen").to(device)
    (stage,) = network.stages
    stage.setup(device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    drawn = episodes(batch, device)
    with FlopCounterMode(display=False) as counter:
        stage.step([drawn], 0)
    seconds = median(lambda: stage.step([drawn], 1), rounds, device)
    flop = counter.get_total_flops()
    line = f"training, trunk {'trained' if scratch else 'frozen'}, batch {batch}: {batch / seconds:.2f} episodes/s"
    line += f", {flop / seconds / 1e12:.2f} TFLOP/s"
    if device.type == "cuda":
        line += (
            f" ({flop / seconds / PEAK:.0%} of {PEAK / 1e12:.0f}), {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
        )
    print(line, flush=True)


@torch.no_grad()
def prediction(device: torch.device, rounds: int) -> None:
    """Seconds of a first reference on an image, and of every further one."""
    network = build().to(device).eval()
    drawn = episodes(1, device)
    (support,), (query,) = drawn.supports.frames, drawn.queries
    seconds = []
    for count in (1, 5):
        state = network.adapt(Supports((support,) * count, 1))
        seconds.append(median(lambda s=state: list(network.predict(s, [query])), rounds, device))
    print(f"prediction: {seconds[0]:.3f} s an image, {(seconds[1] - seconds[0]) / 4:.3f} s each further reference")


def main() -> None:
    """Print what was measured; `python -m tests.benchmarks.bench_texture_net [rounds]`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else (20 if device.type == "cuda" else 1)
    print(name_of(device))
    searches(device, rounds)
    prediction(device, rounds)
    for scratch in (False, True):
        training(device, rounds, 8 if device.type == "cuda" else 1, scratch=scratch)


if __name__ == "__main__":
    main()
