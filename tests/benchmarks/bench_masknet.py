"""MaskNet: proposals by shared skips against the plain decoder, all at once against one by one; memory.

Seconds are the process's own on one thread (on a GPU: of the wall), medians of alternating rounds. Memory of training
is what autograd keeps for the backward pass of a batch, counted on any machine, with the weights and Adam's moments.
"""

import resource
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.device import name_of
from pipeline.layers.proposals import SceneDecoder, every_cell, foreground
from pipeline.segmenter import Batch, Frame, Supports
from plugins.masknet.model import MaskNet, build
from plugins.masknet.training import ProposalLoss
from tests.layers.plain_decoder import decode

ROUNDS = 5


def timed(device: torch.device, ways: dict[str, Callable[[], Tensor]]) -> dict[str, list[float]]:
    """Seconds of each way in each round, after one to warm up."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            start = clock()
            way()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds[name].append(clock() - start)
    return {name: values[1:] for name, values in seconds.items()}


def ratio(slow: list[float], fast: list[float]) -> str:
    """Median ratio of alternating rounds with its range."""
    ratios = sorted(a / b for a, b in zip(slow, fast, strict=True))
    return f"{statistics.median(ratios):.1f}x [{ratios[0]:.1f} to {ratios[-1]:.1f}]"


@torch.no_grad()
def shared_skips(network: MaskNet, scene: Tensor, target: Tensor, count: int) -> None:
    """`count` proposals of one scene, both ways."""
    proposals, cells = network.proposals, torch.arange(count, device=scene.device)[None]
    skips, seeds = proposals.scene(scene), target[:, None].expand(-1, count, -1)
    ways = {
        "shared": lambda: SceneDecoder(proposals.decoder, skips)(seeds, cells),
        "plain": lambda: decode(proposals.decoder, skips, seeds, cells),
    }
    far = float((ways["shared"]().float() - ways["plain"]().float()).abs().max())
    seconds = timed(scene.device, ways)
    shared = statistics.median(seconds["shared"]) * 1000 / count
    print(
        f"decoding {count} proposals: shared skips {shared:.2f} ms each, {ratio(seconds['plain'], seconds['shared'])}"
    )
    print(f"  of the plain decoder, largest difference of a logit {far:.1e}")


@torch.no_grad()
def batched(network: MaskNet, scene: Tensor, target: Tensor) -> None:
    """The 144 proposals of one scene, judged too: some at a time, and one by one."""
    scenes = network.proposals.look(scene)

    def judged(pieces: tuple[Tensor, ...]) -> Tensor:
        found = [foreground(network.proposals(target, scenes, cells)) for cells in pieces]
        return torch.cat([network.score(target, maps > 0.3, scene) for maps in found], 1)

    pieces = every_cell(scenes)
    ways = {"batched": lambda: judged(pieces), "single": lambda: judged(torch.cat(pieces, 1).split(1, 1))}
    seconds = timed(scene.device, ways)
    each = statistics.median(seconds["batched"])
    print(
        f"144 proposals and their scores: {each:.3f} s a scene, {ratio(seconds['single'], seconds['batched'])} of one by one"
    )


def kept_bytes(network: MaskNet, batch: Batch, dtype: torch.dtype) -> int:
    """Bytes of all tensors that the backward pass of a batch of proposals waits for."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    device = batch.queries[0].images.device
    held = []
    with (
        torch.autograd.graph.saved_tensors_hooks(lambda t: held.append(t) or keep(t), lambda t: t),
        torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
    ):
        ProposalLoss(network, "any")(batch)
    return sum(storages.values())


def main() -> None:
    """Print both ratios in float32 and bfloat16, then memory."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    network = build().to(device, memory_format=torch.channels_last).eval()
    scene = torch.rand(1, 3, 96, 96, device=device).contiguous(memory_format=torch.channels_last)
    target = network.embed(torch.rand(1, 3, 32, 32, device=device)).detach()
    for dtype in (torch.float32, torch.bfloat16):
        print(f"{name_of(device)}, {dtype}, width 24")
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            shared_skips(network, scene, target, 48)
            batched(network, scene, target)
    if device.type == "cpu":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"peak memory of the process so far: {peak:.2f} GiB")
    query = Frame((torch.rand(50, 3, 96, 96) * 255).to(torch.uint8), (torch.rand(50, 96, 96) > 0.99).to(torch.uint8))
    support = Frame((torch.rand(50, 3, 32, 32) * 255).to(torch.uint8), torch.ones(50, 32, 32, dtype=torch.uint8))
    batch = Batch(Supports((support,), 1), (query,)).to(device)
    for dtype in (torch.float32, torch.bfloat16):
        network.requires_grad_(True)
        weights = sum(p.numel() for p in network.parameters()) * 4 * 4  # weights, gradients, two moments
        print(
            f"training on 50 scenes with 8 proposals, {dtype}: {(kept_bytes(network, batch, dtype) + weights) / 2**30:.1f} GiB"
        )


if __name__ == "__main__":
    main()
