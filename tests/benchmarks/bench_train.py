"""Training the Siamese U-Net from a stream, feeding included: episodes a second, eager and compiled.

On a GPU: bfloat16, batches of 250, n = 32. On a CPU a few batches of 50, to show that it runs; compiling is left out.
"""

import tempfile
import time
from pathlib import Path

import torch

from pipeline.device import name_of
from pipeline.download.samples.omniglot import generate
from pipeline.render.cluttered_omniglot import renderer
from pipeline.render.stream import Replay
from pipeline.train.batches import SplitBatches
from pipeline.train.loop import train
from plugins.siamese_unet.model import build

FLOP = 4.934e9
"""Of one training episode at the published width (forward and backward)."""


def seconds(sources: Path, device: torch.device, batch: int, episodes: int, compile: bool) -> float:
    """Train on `episodes`, after as many to warm up; wall seconds of the second half."""
    stamps = []
    with tempfile.TemporaryDirectory() as work:
        network = build(samples=2 * episodes, batch=batch)
        (stage,) = network.stages
        step = stage.step

        def stamped(batches, done):  # type: ignore[no-untyped-def]
            if device.type == "cuda":
                torch.cuda.synchronize()
            stamps.append((done, time.perf_counter()))
            return step(batches, done)

        stage.step = stamped  # type: ignore[method-assign]
        replay = Replay(renderer(split="train", sources={"omniglot": sources}, characters=32), 20_000)
        train(
            network,
            SplitBatches({"bench/train": (replay, replay.attributes)}, seed=0, device=device),
            work=Path(work),
            digest="",
            seed=0,
            device=device,
            dtype=torch.bfloat16,
            compile=compile,
            every=1e9,
        )
        if device.type == "cuda":
            torch.cuda.synchronize()
        end = time.perf_counter()
    start = next(stamp for done, stamp in stamps if done >= episodes)
    return end - start


def main() -> None:
    """Print one line a way of running."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch, episodes = (250, 100_000) if device.type == "cuda" else (50, 200)
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), {}, 0)
        for compile in (False, True) if device.type == "cuda" else (False,):
            rate = episodes / seconds(Path(folder), device, batch, episodes, compile)
            shown = f"{rate:,.0f} episodes/s, {rate * FLOP / 1e12:.2f} TFLOP/s"
            print(f"{name_of(device)}, batch {batch}, {'compiled' if compile else 'eager'}: {shown}")


if __name__ == "__main__":
    main()
