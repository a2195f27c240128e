"""RePRI's 49 steps: many tasks at once against one by one, and the gradient that is written out against autograd.

Tasks have one support and one query of 53 x 53 cells (417 pixels at stride 8), or of 27 x 27 (stride 16), with 512
channels. Seconds are the process's own on one thread (on a GPU: of the wall), medians of alternating rounds.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F

from pipeline.device import name_of
from pipeline.layers.repri.refine import Classifier, Recipe, Tasks, refine
from tests.layers.repri.plain import infer

ROUNDS = 3
RECIPE = Recipe()


def drawn(count: int, cells: int, device: torch.device) -> Tasks:
    """Tasks of noise in which objects look a little alike."""
    generator = torch.Generator().manual_seed(0)
    inside = (torch.rand(count, 2 * cells, generator=generator) < 0.2).float()
    maps = torch.randn(count, 512, 2 * cells, generator=generator)
    maps += torch.randn(count, 512, 1, generator=generator) * inside[:, None]
    counted = torch.ones(count, 2 * cells)
    tasks = (F.normalize(maps.relu(), dim=1), inside[:, :cells], counted, torch.ones(count))
    return Tasks(*(part.to(device) for part in tasks))


def alone(tasks: Tasks, number: int) -> Tasks:
    """One of the tasks."""
    part = slice(number, number + 1)
    return Tasks(tasks.cells[part], tasks.truth[part], tasks.counted[part], tasks.weight[part])


def seconds(device: torch.device, way: Callable[[], object]) -> float:
    """Of one call."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    start = clock()
    way()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def compare(device: torch.device, side: int, count: int, few: int) -> None:
    """`count` tasks at once; ways that take them one by one have the first `few`."""
    tasks = drawn(count, side * side, device)
    single = [alone(tasks, number) for number in range(few)]
    ways: dict[str, tuple[int, Callable[[], list[Classifier]]]] = {
        "autograd, one by one": (few, lambda: [Classifier(*infer(each, 0)[:2]) for each in single]),
        "written out, one by one": (few, lambda: [refine(each, RECIPE) for each in single]),
        "written out, at once": (count, lambda: [refine(tasks, RECIPE)]),
    }
    plain, (fast,) = ways["autograd, one by one"][1](), ways["written out, at once"][1]()
    far = max(float((fast.weight[n] - each.weight).abs().max()) for n, each in enumerate(plain))
    print(f"{side} x {side} cells, {count} tasks at once; largest difference of a weight {far:.1e}")
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (number, way) in ways.items():
            times[name].append(seconds(device, way) / number)
    best = times["written out, at once"]
    for name, values in times.items():
        ratios = sorted(a / b for a, b in zip(values, best, strict=True))
        shown = f"{statistics.median(ratios):.1f}x [{ratios[0]:.1f} to {ratios[-1]:.1f}]"
        print(f"  {name:24} {1000 * statistics.median(values):8.2f} ms a task  {shown}")


def main() -> None:
    """Print both sizes."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    print(name_of(device))
    for side in (27, 53):
        compare(device, side, *((200, 20) if device.type == "cuda" else (40, 4)))


if __name__ == "__main__":
    main()
