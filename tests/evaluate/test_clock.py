"""The clock of the timing table: what it runs, what it leaves out, and what it leaves as it was."""

import torch
from toys import random_batch

from pipeline.evaluate import clock
from pipeline.memory import Memory
from pipeline.system import build_system

BATCH = random_batch(supports=[(16, 16)] * 2, queries=[(24, 24)], objects=1)


def test_every_episode_is_run_after_one_that_is_not_timed(monkeypatch):
    segmenter, seen = build_system("toy_untrained", {}, {}, 0), []
    segmenter.memory = memory = Memory(1 << 20)
    adapt = segmenter.adapt
    monkeypatch.setattr(
        segmenter, "adapt", lambda supports: (seen.append((len(supports.frames), segmenter.memory)), adapt(supports))[1]
    )
    found = clock.time_episodes(segmenter, [BATCH.part(slice(0, 1))] * 9, [1, 2], truth=False, most=4)
    assert {k: each.episodes for k, each in found.items()} == {1: 4, 2: 4}
    assert all(each.median > 0 for each in found.values())
    assert seen == [(1, None), (2, None)] * 5  # nothing is remembered
    assert segmenter.memory is memory


def test_no_further_episode_is_timed_after_the_seconds():
    segmenter = build_system("toy_untrained", {}, {}, 0)
    found = clock.time_episodes(segmenter, [BATCH.part(slice(0, 1))] * 9, [1], truth=False, most=8, seconds=0)
    assert found[1].episodes == 1


def test_memory_is_in_bytes():
    assert peak_of_this_process() > 1 << 25


def peak_of_this_process():
    return clock.peak_memory(torch.device("cpu"))
