"""OSVOS's fine-tuning: an update of five passes as it is done, against five passes one by one as published.

At full width on small frames, on one thread of a CPU or on a GPU; medians of alternating rounds.
"""

import statistics
import time
from collections.abc import Callable

import torch

from pipeline.device import name_of
from plugins.osvos.network import TRUNKS, Network
from plugins.osvos.training import balanced

ROUNDS, PASSES = 3, 5


def together(network: Network, images: torch.Tensor, objects: torch.Tensor) -> None:
    """All passes at once."""
    balanced(network(images), objects).mean().backward()  # type: ignore[no-untyped-call]


def one_by_one(network: Network, images: torch.Tensor, objects: torch.Tensor) -> None:
    """A pass after the other, gradients accumulated."""
    for n in range(PASSES):
        together(network, images[n : n + 1], objects[n : n + 1])


def main() -> None:
    """Print the seconds of every way, and how much faster than the plain one it is."""
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    size = (480, 854) if device.type == "cuda" else (64, 96)
    images = torch.randint(0, 256, (PASSES, 3, *size), dtype=torch.uint8, device=device)
    objects = torch.rand(PASSES, *size, device=device) > 0.9
    plain = Network(TRUNKS["vgg16"](1, None)).to(device)
    fast = Network(TRUNKS["vgg16"](1, None)).to(device, memory_format=torch.channels_last)

    def half(way: Callable[..., None], *given: object) -> None:
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            way(*given)

    ways: dict[str, Callable[[], None]] = {
        "float32, NCHW, one by one": lambda: one_by_one(plain, images, objects),
        "float32, channels last, five at once": lambda: together(fast, images, objects),
        "bfloat16, channels last, five at once": lambda: half(together, fast, images, objects),
        "float32, channels last, five alike as one": lambda: together(fast, images[:1], objects[:1]),
    }
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            start = clock()
            way()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(clock() - start)
    print(f"{name_of(device)}: an update of {PASSES} passes of {size[1]}x{size[0]} pixels, {ROUNDS} rounds")
    reference = seconds["float32, NCHW, one by one"][1:]
    for name, values in seconds.items():
        ratios = sorted(a / b for a, b in zip(reference, values[1:], strict=True))
        median = statistics.median(values[1:])
        print(f"{name:44}{median:8.2f} s {statistics.median(ratios):6.1f}x [{ratios[0]:.1f} to {ratios[-1]:.1f}]")


if __name__ == "__main__":
    main()
