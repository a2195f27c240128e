"""One episode after the other: supports are extended, queries predicted and counted, and failures put down."""

from collections.abc import Sequence

import torch

from pipeline.errors import UserError
from pipeline.evaluate.extend import Extension
from pipeline.evaluate.job import EvaluateJob
from pipeline.evaluate.score import predict
from pipeline.evaluate.tally import Tally
from pipeline.memory import Memory
from pipeline.pairs import key_of
from pipeline.segmenter import VOID, Batch, Segmenter


class Scoring:
    """Takes episodes and adds to a tally what the scores and their pictures are made of."""

    def __init__(
        self, job: EvaluateJob, segmenter: Segmenter, device: torch.device, feature_cache: int, tally: Tally
    ) -> None:
        """`segmenter` may remember `feature_cache` bytes of what it made of images that recur."""
        self._job, self._segmenter, self._feature_cache = job, segmenter, feature_cache
        self._extension = Extension(job, device)
        self._tally = tally

    def add(self, numbers: Sequence[int], batch: Batch | UserError) -> None:
        """Adapt to the supports of these episodes, predict and score their queries.

        A video, or an episode with synthetic pairs, that fails is put down as failed, and nothing is kept of its rows;
        `UserError` for all else.
        """
        if self._job.kept != "video" and self._job.synthetic is None:
            if isinstance(batch, UserError):
                raise batch
            self._score_within_memory(numbers, batch)
            return
        try:
            if isinstance(batch, UserError):
                raise batch
            self._tally.names[numbers[0]] = self._name(batch)
            self._score_within_memory(numbers, batch)
        except UserError as error:
            name = self._tally.names.setdefault(numbers[0], str(numbers[0]))
            print(f"{name}: {error}", flush=True)
            self._tally.failed[numbers[0]] = str(error)
            for scorer in self._tally.scorers.values():
                scorer.forget(numbers)

    def _name(self, batch: Batch) -> str:
        """The video, or else the image that supports."""
        support = batch.supports.frames[0].ids[0].partition("@")[0]
        return support.split("/")[-2] if self._job.kept == "video" else support

    def _score_within_memory(self, numbers: Sequence[int], batch: Batch) -> None:
        """`UserError` where the device's memory does not suffice; all that was held there is let go first."""
        try:
            self._score(numbers, batch)
            return
        except torch.OutOfMemoryError:
            self._segmenter.memory = None
        torch.cuda.empty_cache()  # not before the error is gone, whose traceback holds tensors
        height, width = batch.queries[0].images.shape[-2:]
        raise UserError(
            f"out of memory on the device at frames of {width}x{height} pixels: bound memory more tightly in "
            f"plugins/{self._job.plugin}/plugin.yaml (of stm: memory_frames, longer), or set device=cpu"
        )

    def _score(self, numbers: Sequence[int], batch: Batch) -> None:
        recurring = batch.classes is not None
        if recurring and self._segmenter.memory is None and self._feature_cache:
            self._segmenter.memory = Memory(self._feature_cache)
        self._tally.pictures.add_supports(numbers, batch.supports.frames, masks=recurring)
        extended, supports = self._extension(numbers, batch), self._supports(batch)
        for shots, scorer in self._tally.scorers.items():
            for q, (query, prediction) in enumerate(predict(self._segmenter, extended, shots, self._job.truth)):
                if query.masks is None:
                    raise UserError(f"{self._job.data} has no masks to score against")
                if not (recurring and bool((query.masks == VOID).all())):  # a frame without annotation
                    scorer.add(numbers, q, prediction, query.masks, batch.supports.objects, batch.classes, supports)
                if shots == max(self._job.shots):
                    self._tally.pictures.add_query(numbers, q, query, prediction)
                    if self._job.pictures and q == 0 and recurring and self._job.kept != "video":
                        self._tally.worst.add(numbers, batch, prediction)

    def _supports(self, batch: Batch) -> list[str]:
        """Names of the pairs that the first supports are, where scores are to hold them."""
        if not self._job.by_support or batch.classes is None:
            return []
        return [key_of(*each) for each in zip(batch.supports.frames[0].ids, batch.classes.tolist(), strict=True)]
