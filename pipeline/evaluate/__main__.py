"""`python -m pipeline.evaluate`: score one system on one test split."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.closure import code_digest, code_files
from pipeline.collate import collate, pinned, to_device
from pipeline.device import name_of, share
from pipeline.episodes import EpisodeStore
from pipeline.errors import UserError, run
from pipeline.evaluate.job import EvaluateJob
from pipeline.evaluate.score import Pictures, Scorer, predict
from pipeline.job import read_job, stage_parser
from pipeline.manifest import input_digests, read_manifest, write_atomic, write_json
from pipeline.progress import ProgressLine
from pipeline.scores import Scores, write_timing
from pipeline.segmenter import Batch, Segmenter
from pipeline.system import build_system, read_weights
from pipeline.work import work_folder


def main() -> None:
    """Read the job, score, write the scores, their pictures and the timing."""
    parser = stage_parser("evaluate", "Score one system on one test split, all shots at once.", EvaluateJob)
    parser.add_argument("--gpu", type=int, choices=range(5), default=4, help="quarters of a card; 4 means alone")
    arguments = parser.parse_args()
    job = read_job(parser, EvaluateJob, arguments)
    start = time.monotonic()
    with work_folder(arguments.output.with_suffix("")), share(job.device, arguments.gpu, job.threads) as device:
        scores, pictures = evaluate(job, device)
        packed = io.BytesIO()
        np.savez_compressed(packed, **pictures)
        write_atomic(arguments.output.with_suffix(".npz"), packed.getvalue())
        write_timing(arguments.output, time.monotonic() - start, name_of(device))
        write_json(arguments.output, scores.model_dump(mode="json"))


@torch.no_grad()
def evaluate(job: EvaluateJob, device: torch.device) -> tuple[Scores, dict[str, Any]]:
    """Statistics of every episode of the job, and the first episodes' pictures."""
    segmenter = load_segmenter(job).to(device).eval()
    scorers = {shots: Scorer(job.statistics, job.system) for shots in job.shots}
    pictures = Pictures(job.pictures)
    line = ProgressLine(f"{job.system} on {job.tested_on}", job.episodes, 0)
    dtype = getattr(torch, job.precision)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for first, batch in episodes(job, device):
            pictures.add_supports(first, batch.supports.frames)
            for shots, scorer in scorers.items():
                for q, (query, prediction) in enumerate(predict(segmenter, batch, shots, job.truth)):
                    if query.masks is None:
                        raise UserError(f"{job.data} has no masks to score against")
                    scorer.add(first, q, prediction, query.masks, batch.supports.objects)
                    if shots == max(job.shots):
                        pictures.add_query(first, q, query, prediction)
            line.show(first + len(batch.queries[0].images), {})
    parents = [Path(p) for p in [job.data, *job.oracle.values(), *([job.model] if job.model else job.needs.values())]]
    modules = [f"pipeline.evaluate.statistics.{name}" for name in job.statistics]
    scores = Scores(
        recipe=job.model_dump(mode="json"),
        code=code_digest(code_files("pipeline.evaluate.__main__", f"plugins.{job.plugin}.model", *modules)),
        inputs=input_digests(parents),
        complete=all(read_manifest(parent).complete for parent in parents),
        weights=segmenter.trunk,
        statistics={shots: scorer.columns for shots, scorer in scorers.items()},
    )
    return scores, pictures.arrays


def load_segmenter(job: EvaluateJob) -> Segmenter:
    """The job's system with its published weights."""
    parameters = job.train_parameters | job.evaluate_parameters
    segmenter = build_system(job.plugin, parameters, job.needs, job.seed)
    if not isinstance(segmenter, Segmenter):
        raise UserError(f"plugins/{job.plugin} is a synthesizer; only segmenters are evaluated")
    if job.model is not None:
        segmenter.load_weights(read_weights(Path(job.model)))
    return segmenter


def episodes(job: EvaluateJob, device: torch.device) -> Iterator[tuple[int, Batch]]:
    """Batches of the job's episodes on `device`, each with the number of its first; oracle data as listed."""
    store = EpisodeStore(Path(job.data).with_suffix(".zarr"))
    if store.length < job.episodes:
        raise UserError(f"{job.data} holds {store.length} episodes, not {job.episodes}: delete it and run snakemake")
    oracles = {field: EpisodeStore(Path(path).with_suffix(".zarr")) for field, path in job.oracle.items()}
    block = max(job.batch, store.shard // job.batch * job.batch)
    for start in range(0, job.episodes, block):
        stop = min(start + block, job.episodes)
        arrays = store.read(start, stop)
        arrays |= {f"oracle_{field}": oracle.read(start, stop)[field] for field, oracle in oracles.items()}
        for first in range(start, stop, job.batch):
            rows = slice(first - start, min(first + job.batch, stop) - start)
            tensors = to_device(pinned({name: array[rows] for name, array in arrays.items()}, device), device)
            yield (
                first,
                collate(tensors, store.attributes, [f"{job.tested_on}/{i}" for i in range(first, start + rows.stop)]),
            )


if __name__ == "__main__":
    run(main)
