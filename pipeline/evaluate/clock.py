"""How long an episode takes: the clock of the timing table, apart from all scores.

An episode is `adapt` to its supports and `predict` of its queries, with nothing remembered of other episodes. Its
images are already decoded, in the protocol's frame and on the device; upsampling to the query's size is included.
"""

import math
import resource
import statistics
import time
from collections.abc import Iterable, Sequence

import torch

from pipeline.evaluate.score import predict
from pipeline.scores import EpisodeTime
from pipeline.segmenter import Batch, Segmenter


def time_episodes(
    segmenter: Segmenter,
    batches: Iterable[Batch],
    shots: Sequence[int],
    *,
    truth: bool,
    most: int,
    seconds: float = math.inf,
) -> dict[int, EpisodeTime]:
    """Shots -> the median over the first `most` batches of one episode each, or as many as `seconds` allow.

    Each number of shots is run once before, unclocked. What the segmenter remembers is put aside meanwhile.
    """
    memory, segmenter.memory = segmenter.memory, None
    spent: dict[int, list[float]] = {k: [] for k in shots}
    try:
        for number, batch in enumerate(batches):
            if number > most or all(sum(each) > seconds for each in spent.values()):
                break
            for k, each in spent.items():
                if sum(each) <= seconds:
                    found = _seconds(segmenter, batch, k, truth)
                    each += [found] if number else []
    finally:
        segmenter.memory = memory
    return {k: EpisodeTime(median=statistics.median(each), episodes=len(each)) for k, each in spent.items() if each}


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: of tensors on the card, or of the whole process where it runs on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _seconds(segmenter: Segmenter, batch: Batch, shots: int, truth: bool) -> float:
    device = batch.queries[0].images.device
    _wait(device)
    start = time.perf_counter()
    for _ in predict(segmenter, batch, shots, truth):
        pass
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
