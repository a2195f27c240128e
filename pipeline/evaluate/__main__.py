"""`python -m pipeline.evaluate`: score one system on one test split; with `davis`, a folder of results on DAVIS."""

import importlib
import io
import itertools
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.closure import code_digest, code_files
from pipeline.device import name_of, share
from pipeline.errors import run
from pipeline.evaluate.clock import peak_memory, time_episodes
from pipeline.evaluate.job import EvaluateJob, MeasureJob
from pipeline.evaluate.load import episodes, load_segmenter
from pipeline.evaluate.score import Pictures
from pipeline.evaluate.scoring import Scoring
from pipeline.evaluate.tally import Shelf, Tally, tally_of
from pipeline.job import read_job, stage_parser
from pipeline.manifest import canonical, digest_text, input_digests, read_manifest, write_atomic, write_json
from pipeline.progress import ProgressLine
from pipeline.scores import EpisodeTime, Scores, Trunk, read_scores, write_timing
from pipeline.segmenter import Batch
from pipeline.work import work_folder

ABOUT = "Score one system on one test split, all shots at once. For a folder of results on DAVIS: `davis --help`."


def main() -> None:
    """Read the job, score, write the scores, their pictures and the timing."""
    if sys.argv[1:2] == ["davis"]:  # by name: no evaluation's code is to change with that command's
        importlib.import_module("pipeline.evaluate.davis.command").main(sys.argv[2:])
        return
    parser = stage_parser("evaluate", ABOUT, EvaluateJob)
    parser.add_argument("--gpu", type=int, choices=range(5), default=4, help="quarters of a card; 4 means alone")
    parser.add_argument("--image-cache", type=int, default=768, metavar="MIB", help="decoded images that are kept")
    parser.add_argument("--feature-cache", type=int, default=2048, metavar="MIB", help="what a system may remember")
    parser.add_argument("--timed", type=int, default=0, metavar="N", help="episodes to time, where images recur")
    parser.add_argument("--timed-seconds", type=float, default=math.inf, metavar="S", help="after which none is timed")
    arguments = parser.parse_args()
    start = time.monotonic()
    if '"pairs":' in (arguments.job or ""):
        _measure(read_job(parser, MeasureJob, arguments), arguments.output, arguments.gpu)
        return
    job = read_job(parser, EvaluateJob, arguments)
    with (
        work_folder(arguments.output.with_suffix("")) as work,
        share(job.device, arguments.gpu, job.threads) as device,
    ):
        empty = _empty(job)
        if _published(arguments.output, empty):
            return
        shelf = Shelf(work, digest_text(canonical(empty.model_dump(mode="json"))))
        tally, trunk = evaluate(job, device, arguments.image_cache << 20, arguments.feature_cache << 20, shelf)
        _write_pictures(arguments.output, tally.shown)
        seconds, peak = tally.seconds + time.monotonic() - start, peak_memory(device)
        timed = arguments.timed if job.snapshot is None else 0
        times = clock(job, device, timed, arguments.timed_seconds) if timed else {}
        write_timing(arguments.output, seconds, name_of(device), shots=times, memory=peak if times else None)
        statistics = {shots: scorer.columns for shots, scorer in tally.scorers.items()}
        outcome = {"weights": trunk, "statistics": statistics, **tally.outcome()}
        scores = empty.model_copy(update=outcome)
        write_json(arguments.output, scores.model_dump(mode="json"))
        shelf.clear()


def _empty(job: EvaluateJob) -> Scores:
    """The job's scores before anything is counted: what they are of, and whether the data are complete."""
    weights = [job.model] if job.model else [*job.needs.values(), *job.pretrained.values()]
    pairs = [job.synthetic] if job.synthetic else []
    parents = [Path(path) for path in [job.data, *job.oracle.values(), *weights, *pairs]]
    modules = [f"pipeline.evaluate.statistics.{name}" for name in job.statistics]
    return Scores(
        recipe=job.model_dump(mode="json"),
        code=code_digest(code_files("pipeline.evaluate.__main__", f"plugins.{job.plugin}.model", *modules)),
        inputs=input_digests(parents),
        complete=all(
            read_manifest(parent).complete for parent in parents if str(parent) not in job.pretrained.values()
        ),
        weights="none",
    )


def _published(output: Path, empty: Scores) -> bool:
    """Whether an orphan, which this process has waited for, has written these very scores."""
    if not output.exists():
        return False
    found = read_scores(output)
    return (found.recipe, found.code, found.inputs) == (empty.recipe, empty.code, empty.inputs)


def _measure(job: MeasureJob, output: Path, gpu: int) -> None:
    """The same of a synthesizer's samples; by name, so that no segmenter's scores depend on its code."""
    start = time.monotonic()
    with work_folder(output.with_suffix("")), share(job.device, gpu, job.threads) as device:
        scores, pictures = importlib.import_module("pipeline.evaluate.synthetic").measure(job, device)
        _write_pictures(output, pictures)
        write_timing(output, time.monotonic() - start, name_of(device))
        write_json(output, scores.model_dump(mode="json"))


def _write_pictures(output: Path, pictures: dict[str, Any]) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, **pictures)
    write_atomic(output.with_suffix(".npz"), packed.getvalue())


@torch.no_grad()
def evaluate(
    job: EvaluateJob, device: torch.device, image_cache: int = 0, feature_cache: int = 0, shelf: Shelf | None = None
) -> tuple[Tally, Trunk]:
    """Statistics and pictures of the job's episodes, and where the weights of the system's trunk came from.

    There are pictures of the first episodes and, where classes recur, of the worst.
    Where images recur, `image_cache` bytes of them are kept decoded, and the system remembers `feature_cache` bytes of
    what it made of them. What lies on the `shelf` is not counted again.
    """
    segmenter = load_segmenter(job).to(device).eval()
    tally = tally_of(job.statistics, job.shots, Pictures(job.pictures, job.kept), job.system)
    if shelf:
        shelf.load(tally)
    scoring = Scoring(job, segmenter, device, feature_cache, tally)
    line = ProgressLine(f"{job.system} on {job.tested_on}", job.episodes, tally.done)
    dtype = getattr(torch, job.precision)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for numbers, batch in episodes(job, device, image_cache, after=tally.done):
            scoring.add(numbers, batch)
            tally.done += len(numbers)
            line.show(tally.done, {})
            if shelf:
                shelf.save(tally)
    return tally, segmenter.trunk


@torch.no_grad()
def clock(job: EvaluateJob, device: torch.device, most: int, seconds: float) -> dict[int, EpisodeTime]:
    """Seconds of an episode at each number of shots, over at most `most` episodes and `seconds`.

    Nothing where no image recurs: there the seconds of the whole job say what an episode takes.
    """
    if job.kept == "video":  # hundreds of queries: the seconds of the job say enough
        return {}
    batches = (batch.part(slice(0, 1)) for _, batch in episodes(job, device) if isinstance(batch, Batch))
    first = next(batches, None)
    if first is None or first.classes is None:
        return {}
    segmenter, dtype = load_segmenter(job).to(device).eval(), getattr(torch, job.precision)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        return time_episodes(
            segmenter, itertools.chain([first], batches), job.shots, truth=job.truth, most=most, seconds=seconds
        )


if __name__ == "__main__":
    run(main)
