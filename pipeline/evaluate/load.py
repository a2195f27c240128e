"""What a job evaluates: the system with its weights, and batches of the test split's episodes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from pipeline.collate import Collation
from pipeline.episodes import Arrays, EpisodeStore
from pipeline.errors import UserError
from pipeline.evaluate.job import EvaluateJob
from pipeline.segmenter import Batch, Segmenter
from pipeline.system import build_system, read_weights


def load_segmenter(job: EvaluateJob) -> Segmenter:
    """The job's system with its published weights."""
    parameters = job.train_parameters | job.evaluate_parameters
    segmenter = build_system(job.plugin, parameters, job.needs, job.seed, pretrained=job.pretrained, insist=job.insist)
    if not isinstance(segmenter, Segmenter):
        raise UserError(f"plugins/{job.plugin} is a synthesizer; only segmenters are evaluated")
    if job.model is not None:
        segmenter.load_weights(read_weights(Path(job.model), job.snapshot))
    return segmenter


def episodes(
    job: EvaluateJob, device: torch.device, image_cache: int = 0, *, after: int = 0
) -> Iterator[tuple[list[int], Batch | UserError]]:
    """Batches of the job's episodes on `device`, each with their numbers; oracle data as listed.

    Where images recur, episodes with the same query follow one another, so that little has to be remembered of it; or
    those with the same support, where that is extended, one episode at a time. The first `after` episodes, whole
    batches of them, are left out. A video that cannot be read comes as its error.
    """
    store, stop = EpisodeStore(Path(job.data).with_suffix(".zarr")), job.first + job.episodes
    if store.length <= job.first:
        raise UserError(f"{job.data} holds {store.length} episodes, none from {job.first} on: lower the setting runs")
    collation = Collation(store.attributes, device, image_cache=image_cache)
    if collation.table is not None:
        rows = store.read(job.first, min(stop, store.length))  # a gallery may give fewer than were asked for
        extended = job.standard or job.synthetic is not None
        first = rows["supports" if extended else "queries"][:, 0]
        order = np.lexsort((rows["queries"][:, 0], first))
        size = job.batch if collation.table.one_size and not extended else 1
        for start in range(after, len(order), size):
            part = order[start : start + size]
            try:
                prepared = collation.prepare({name: array[part] for name, array in rows.items()})
            except UserError as error:
                if job.kept != "video":
                    raise
                yield part.tolist(), error
                continue
            yield part.tolist(), collation.finish(prepared)
        return
    if store.length < stop:
        raise UserError(f"{job.data} holds {store.length} episodes, not {stop}: delete it and run snakemake")
    for numbers, arrays in _blocks(job, store, after):
        ids = [f"{job.tested_on}/{job.first + number}" for number in numbers]
        yield numbers, collation.finish(collation.prepare(arrays), ids)


def _blocks(job: EvaluateJob, store: EpisodeStore, after: int) -> Iterator[tuple[list[int], Arrays]]:
    """Batches as arrays from episode `after` on, read a shard or so at a time, each with the episodes' numbers."""
    oracles = {field: EpisodeStore(Path(path).with_suffix(".zarr")) for field, path in job.oracle.items()}
    block = max(job.batch, store.shard // job.batch * job.batch)
    for start in range(after, job.episodes, block):
        stop = min(start + block, job.episodes)
        place = job.first + start, job.first + stop
        arrays = store.read(*place)
        arrays |= {f"oracle_{field}": oracle.read(*place)[field] for field, oracle in oracles.items()}
        for first in range(start, stop, job.batch):
            last = min(first + job.batch, stop)
            rows = slice(first - start, last - start)
            yield list(range(first, last)), {name: array[rows] for name, array in arrays.items()}
