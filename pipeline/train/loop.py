"""The training loop: order, seeds, checkpoints, logs and the end. What an update does is the stage's affair."""

import itertools
import math
import os
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.errors import UserError
from pipeline.progress import ProgressLine
from pipeline.seeds import derive
from pipeline.segmenter import Segmenter, Synthesizer
from pipeline.stage import Stage
from pipeline.train import checkpoint
from pipeline.train.batches import Batches, rank, world
from pipeline.train.log import MetricsLog
from pipeline.train.snapshots import Snapshots

LINES = 200
"""Lines a stage leaves in the log, about."""
CHUNK = 16
"""Most updates between two looks at the clock."""


def train(
    model: Segmenter | Synthesizer,
    batches: Batches,
    *,
    work: Path,
    digest: str,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    compile: bool = False,
    snapshots: Sequence[int] = (),
    every: float | None = None,
) -> None:
    """Run every stage of `model` to its end, taking up the checkpoint in `work` where there is one of this `digest`.

    Equal arguments leave equal weights and an equal `work/log.jsonl`, however often the training was killed in between;
    `snapshots` are percents of all episodes after which weights are kept (at the end of the chunk of updates in which
    they are reached), `every` is the seconds between checkpoints (GLIMPSE_CHECKPOINT_SECONDS, or 60).
    Raises `UserError` when a metric is no longer finite.
    """
    model.to(device)
    pause = float(os.environ.get("GLIMPSE_CHECKPOINT_SECONDS", "60")) if every is None else every
    kept = Snapshots(work, snapshots, model)
    found = checkpoint.load(work / "checkpoint.pt", digest, device)
    if found and not kept.whole(_seen(model.stages[: found[0].stage]) + found[0].done):
        found = None
    if not found and rank() == 0:
        kept.clear()
    progress = found[0] if found else checkpoint.Progress(digest=digest, stage=0, done=0, log_bytes=0)
    log = MetricsLog(work / "log.jsonl", progress.log_bytes) if rank() == 0 else None
    for number, stage in enumerate(model.stages):
        if number > progress.stage:
            progress = checkpoint.Progress(digest=digest, stage=number, done=0, log_bytes=log.bytes if log else 0)
        _setup(stage, seed, device, dtype, compile)
        if number < progress.stage:
            continue
        if found:
            model.load_state_dict(found[1]["model"])
            stage.load(found[1]["stage"])
            found = None
        earlier = _seen(model.stages[:number])
        done = _run(model, stage, number, batches, progress, work, seed, log, pause, kept, earlier)
        _save(work, model, stage, digest, number, done, log)


def _seen(stages: Sequence[Stage]) -> int:
    """Episodes of whole stages."""
    return sum(stage.samples // stage.batch * stage.batch for stage in stages)


def _setup(stage: Stage, seed: int, device: torch.device, dtype: torch.dtype, compile: bool) -> None:
    start = derive(seed, "initialize", stage.name)
    torch.manual_seed(start)
    random.seed(start)  # nothing here draws from it; a plugin may
    stage.compile = compile
    stage.setup(device, dtype)


def _run(
    model: Segmenter | Synthesizer,
    stage: Stage,
    number: int,
    batches: Batches,
    progress: checkpoint.Progress,
    work: Path,
    seed: int,
    log: MetricsLog | None,
    pause: float,
    kept: Snapshots,
    earlier: int,
) -> int:
    """Run one stage from `progress` to its end, after `earlier` episodes; return those that it has seen."""
    updates = stage.samples // stage.batch
    chunk = max(1, min(CHUNK, updates // LINES))
    interval = max(chunk, updates // LINES // chunk * chunk)
    feed = batches(stage, progress.done // stage.batch, updates)
    line = ProgressLine(stage.name, updates * stage.batch, progress.done)
    model.train()
    saved, window, done = time.monotonic(), list[Mapping[str, Tensor]](), progress.done
    for position in range(progress.done // stage.batch, updates, chunk):
        torch.manual_seed(derive(seed, "step", stage.name, done, rank()))
        window.append(stage.step(list(itertools.islice(feed, min(chunk, updates - position))), done))
        before, done = done, min(position + chunk, updates) * stage.batch
        if rank() == 0:
            kept.keep(earlier + before, earlier + done)
        if done // stage.batch % interval and done // stage.batch < updates:
            continue
        metrics = _means(window, stage.name, done)
        window = []
        if log is not None:
            log.write(stage.name, done, metrics)
            line.show(done, metrics)
        if time.monotonic() - saved >= pause and done // stage.batch < updates:
            _save(work, model, stage, progress.digest, number, done, log)
            saved = time.monotonic()
    return done


def _means(window: list[Mapping[str, Tensor]], stage: str, done: int) -> dict[str, float]:
    """Average metrics over an interval: the one place that waits for the device."""
    means = {name: torch.stack([metrics[name].float() for metrics in window]).mean() for name in window[0]}
    if world() > 1:
        for value in means.values():
            dist.all_reduce(value)
            value.div_(world())
    numbers = {name: float(value) for name, value in means.items()}
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise UserError(
                f"stage {stage}: {name} is {number} after {done} episodes: lower the learning rate or use float32"
            )
    return numbers


def _save(
    work: Path,
    model: Segmenter | Synthesizer,
    stage: Stage,
    digest: str,
    number: int,
    done: int,
    log: MetricsLog | None,
) -> None:
    if log is None:
        return
    progress = checkpoint.Progress(digest=digest, stage=number, done=done, log_bytes=log.bytes)
    checkpoint.save(work / "checkpoint.pt", progress, {"model": model.state_dict(), "stage": stage.state()})
