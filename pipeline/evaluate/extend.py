"""Supports as a cell asks for them: with synthetic pairs, with standard augmentation, under a seed of their own."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from pipeline.errors import UserError
from pipeline.evaluate.job import EvaluateJob
from pipeline.pairs import PairStore, key_of
from pipeline.seeds import derive
from pipeline.segmenter import Batch, Frame


class Extension:
    """What a job does to the supports of its episodes."""

    def __init__(self, job: EvaluateJob, device: torch.device) -> None:
        """`UserError` where the job's synthetic pairs are missing."""
        self._job, self._device = job, device
        self._pairs = PairStore(Path(job.synthetic).with_suffix("") / "pairs.zarr") if job.synthetic else None

    def __call__(self, numbers: Sequence[int], batch: Batch) -> Batch:
        """The batch with its supports extended, under a seed of its first support alone.

        Where a support recurs, what is drawn of it is drawn once a run, and can be remembered.
        `UserError` where its first support has no synthetic pairs: they are of other episodes, or fitting failed.
        """
        job, extra = self._job, tuple[Frame, ...]()
        if self._pairs is not None:
            extra = self._synthetic(batch)
        seed = derive(job.seed, "augment", job.tested_on, *(batch.supports.frames[0].ids or numbers))
        return replace(batch, supports=replace(batch.supports, extra=extra, standard=job.standard, seed=seed))

    def _synthetic(self, batch: Batch) -> tuple[Frame, ...]:
        frame, classes = batch.supports.frames[0], batch.classes
        if classes is None or len(classes) != 1 or self._pairs is None:
            raise UserError("synthetic pairs extend single episodes whose images have names: set batch: 1")
        samples = self._pairs.find(key_of(frame.ids[0], classes[0].tolist()))
        if samples.facts.status == "failed":
            raise UserError(f"no synthetic pairs of {samples.facts.name}: {samples.facts.reason}")
        return tuple(
            Frame(
                torch.from_numpy(samples.images[n]).permute(2, 0, 1)[None].to(self._device),
                torch.from_numpy(samples.masks[n])[None].to(self._device),
                (f"{samples.facts.name}/{self._job.augmentation}/{n}",),
                origin="synthetic",
            )
            for n in samples.kept.tolist()
        )
