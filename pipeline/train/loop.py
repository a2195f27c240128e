"""The training loop: order, seeds, checkpoints, logs and the end. What an update does is the stage's affair."""

import itertools
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from pipeline.collate import Collation
from pipeline.errors import UserError
from pipeline.progress import ProgressLine
from pipeline.seeds import derive
from pipeline.segmenter import Batch, Segmenter, Synthesizer
from pipeline.stage import Stage
from pipeline.train import checkpoint
from pipeline.train.ahead import ahead
from pipeline.train.feed import Feed, Shards
from pipeline.train.log import MetricsLog

LINES = 200
"""Lines a stage leaves in the log, about."""
CHUNK = 16
"""Most updates between two looks at the clock."""


def train(
    model: Segmenter | Synthesizer,
    splits: Mapping[str, tuple[Shards, Mapping[str, Any]]],
    *,
    work: Path,
    digest: str,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    compile: bool = False,
    every: float | None = None,
    image_cache: int = 0,
) -> None:
    """Run every stage of `model` to its end, taking up the checkpoint in `work` where there is one of this `digest`.

    `splits` holds each train split's shards and attributes. Equal arguments leave equal weights and an equal
    `work/log.jsonl`, however often the training was killed in between; `every` is the seconds between checkpoints
    (GLIMPSE_CHECKPOINT_SECONDS, or 60), `image_cache` the bytes of decoded images that are kept.
    Raises `UserError` when a metric is no longer finite.
    """
    model.to(device)
    pause = float(os.environ.get("GLIMPSE_CHECKPOINT_SECONDS", "60")) if every is None else every
    found = checkpoint.load(work / "checkpoint.pt", digest, device)
    progress = found[0] if found else checkpoint.Progress(digest=digest, stage=0, done=0, log_bytes=0)
    log = MetricsLog(work / "log.jsonl", progress.log_bytes) if _rank() == 0 else None
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
        done = _run(model, stage, number, splits, progress, work, seed, device, log, pause, image_cache)
        _save(work, model, stage, digest, number, done, log)


def _setup(stage: Stage, seed: int, device: torch.device, dtype: torch.dtype, compile: bool) -> None:
    torch.manual_seed(derive(seed, "initialize", stage.name))
    stage.compile = compile
    stage.setup(device, dtype)


def _run(
    model: Segmenter | Synthesizer,
    stage: Stage,
    number: int,
    splits: Mapping[str, tuple[Shards, Mapping[str, Any]]],
    progress: checkpoint.Progress,
    work: Path,
    seed: int,
    device: torch.device,
    log: MetricsLog | None,
    pause: float,
    image_cache: int,
) -> int:
    """Run one stage from `progress` to its end; return the episodes it has seen."""
    updates = stage.samples // stage.batch
    chunk = max(1, min(CHUNK, updates // LINES))
    interval = max(chunk, updates // LINES // chunk * chunk)
    batches = _batches(stage, splits, seed, progress.done // stage.batch, updates, device, image_cache)
    line = ProgressLine(stage.name, updates * stage.batch, progress.done)
    model.train()
    saved, window, done = time.monotonic(), list[Mapping[str, Tensor]](), progress.done
    for position in range(progress.done // stage.batch, updates, chunk):
        torch.manual_seed(derive(seed, "step", stage.name, done, _rank()))
        window.append(stage.step(list(itertools.islice(batches, min(chunk, updates - position))), done))
        done = min(position + chunk, updates) * stage.batch
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


def _batches(
    stage: Stage,
    splits: Mapping[str, tuple[Shards, Mapping[str, Any]]],
    seed: int,
    first: int,
    last: int,
    device: torch.device,
    image_cache: int,
) -> Iterator[Batch]:
    names = stage.data or tuple(splits)
    attributes = splits[names[0]][1]
    collation = Collation(attributes, device, image_cache=image_cache)
    feed = Feed({name: splits[name][0] for name in names}, batch=stage.batch, seed=seed, stage=stage.name)
    share, rest = divmod(stage.batch, _world())
    if rest:
        raise UserError(f"a batch of {stage.batch} does not divide by {_world()} ranks: change `batch` or `ranks`")
    part = slice(_rank() * share, (_rank() + 1) * share)
    for prepared in ahead(collation.prepare(arrays) for arrays in feed.batches(first, last, part)):
        yield collation.finish(prepared)


def _means(window: list[Mapping[str, Tensor]], stage: str, done: int) -> dict[str, float]:
    """Average metrics over an interval: the one place that waits for the device."""
    means = {name: torch.stack([metrics[name].float() for metrics in window]).mean() for name in window[0]}
    if _world() > 1:
        for value in means.values():
            dist.all_reduce(value)
            value.div_(_world())
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


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def _world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1
