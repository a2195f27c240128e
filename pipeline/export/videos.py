"""A system's masks of videos as a DAVIS result folder: what other people's programs score, and what servers take."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.evaluate.davis.folder import write_sequence
from pipeline.evaluate.extend import Extension
from pipeline.evaluate.job import EvaluateJob
from pipeline.evaluate.load import episodes, load_segmenter
from pipeline.evaluate.score import predict
from pipeline.export.place import whole
from pipeline.job import parse
from pipeline.scores import read_scores
from pipeline.segmenter import Batch, Segmenter


@torch.no_grad()
def export_videos(scores: Path, output: Path) -> None:
    """Predict again what was scored in `scores` and write `output`/<sequence>/00000.png, ..., the first frame as given.

    `UserError` where the scores are of no videos, or their data or weights are gone.
    """
    found = read_scores(scores)
    if "statistics" not in found.recipe or found.recipe.get("kept") != "video":
        raise UserError(f"{scores} holds no scores of videos: name a seed0.json below .../davis16-val or davis17-val")
    job = parse(EvaluateJob, found.recipe, str(scores))
    device = torch.device("cuda" if torch.cuda.is_available() and job.device != "cpu" else "cpu")
    segmenter, extension, frames = load_segmenter(job).to(device).eval(), Extension(job, device), 0
    with whole(output) as beside:
        beside.mkdir(parents=True)
        for numbers, batch in episodes(job, device):
            if isinstance(batch, UserError) or numbers[0] in found.failed:
                print(f"{found.names[numbers[0]]} is left out: {found.failed.get(numbers[0], batch)}", flush=True)
                continue
            frames += write_sequence(
                beside, found.names[numbers[0]], _labels(segmenter, extension(numbers, batch), job)
            )
    print(f"wrote {output}: {frames} frames; score them by `python -m pipeline.evaluate davis --results {output}`")


def _labels(segmenter: Segmenter, batch: Batch, job: EvaluateJob) -> Iterator[NDArray[np.uint8]]:
    """The given mask, then the likeliest object of every pixel, or 0 where all are < 0.5."""
    dtype, given = getattr(torch, job.precision), batch.supports.frames[0].masks
    assert given is not None  # a support always has one
    yield given[0].to(torch.uint8).cpu().numpy()
    with torch.autocast(given.device.type, dtype, enabled=dtype != torch.float32):
        for _, prediction in predict(segmenter, batch, max(job.shots)):
            if prediction.probabilities is None:
                raise UserError(f"{job.system} gives no masks: choose another system")
            best, label = prediction.probabilities.float()[0].max(dim=0)
            yield torch.where(best < 0.5, 0, label + 1).to(torch.uint8).cpu().numpy()
