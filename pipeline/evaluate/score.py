"""Scoring a segmenter on episodes: predict in batches, count on the device, keep every episode's statistics."""

import importlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluate.film import film_frames, label_frames
from pipeline.evaluate.job import Kept
from pipeline.scores import Columns
from pipeline.segmenter import Batch, Frame, Prediction, Segmenter

Measure = Callable[..., dict[str, Tensor]]
ROUNDING = 1e-3
"""How far probabilities may lie outside [0, 1]: those that are enlarged in bfloat16 do."""


def load_measures(statistics: Mapping[str, Mapping[str, Any]]) -> dict[str, Measure]:
    """The `measure` of every statistic, by name."""
    return {name: importlib.import_module(f"pipeline.evaluate.statistics.{name}").measure for name in statistics}


class Scorer:
    """Collects the columns of every statistic for one number of shots."""

    def __init__(self, statistics: Mapping[str, Mapping[str, Any]], system: str) -> None:
        """Measure `statistics` (name -> parameters); `system` is named in errors."""
        self._parameters, self._measures, self._system = statistics, load_measures(statistics), system
        self.columns: dict[str, Columns] = {name: {} for name in statistics}

    def add(
        self,
        episodes: Sequence[int],
        query: int,
        prediction: Prediction,
        truth: Tensor,
        objects: int,
        classes: Tensor | None = None,
        supports: Sequence[str] = (),
    ) -> None:
        """Count one query frame of the episodes with these numbers.

        `classes` (B, O) become a column of their own, and so do the names of `supports`, one an episode. `UserError`
        for a prediction of another shape than the truth's, or with probabilities outside [0, 1].
        """
        _check(self._system, prediction, (len(truth), objects), truth.shape[-2:])
        for name, measure in self._measures.items():
            try:
                found = measure(prediction, truth, objects, **self._parameters[name])
            except ValueError as error:
                raise UserError(f"{self._system} predicts no {error}, which the statistic '{name}' needs") from None
            rows, wide = next(iter(found.values())).shape
            numbers = torch.arange(1, wide + 1)[None].expand(rows, wide)
            self._extend(name, "episode", torch.tensor(episodes)[:, None].expand(rows, wide))
            self._extend(name, "query", torch.full((rows, wide), query))
            self._extend(name, "object", numbers)
            if classes is not None and classes.shape == (rows, wide):
                self._extend(name, "class", classes)
            if supports:
                named = [support for support in supports for _ in range(wide)]
                self.columns[name].setdefault("support", []).extend(named)
            for column, values in found.items():
                self._extend(name, column, values)

    def forget(self, episodes: Sequence[int]) -> None:
        """Drop all rows of these episodes: they could not be scored to their end."""
        for columns in self.columns.values():
            keep = [row for row, episode in enumerate(columns.get("episode", [])) if episode not in episodes]
            for name, values in columns.items():
                columns[name] = [values[row] for row in keep]

    def _extend(self, statistic: str, column: str, values: Tensor) -> None:
        plain = [None if isinstance(v, float) and math.isnan(v) else v for v in values.flatten().tolist()]
        self.columns[statistic].setdefault(column, []).extend(plain)


def _check(system: str, prediction: Prediction, objects: tuple[int, int], size: Sequence[int]) -> None:
    """Whatever has another shape might be broadcast, and counted wrong."""
    shapes = {"probabilities": (*objects, *size), "centres": (*objects, 2), "scores": objects}
    for name, shape in shapes.items():
        found = getattr(prediction, name)
        if found is not None and tuple(found.shape) != shape:
            raise UserError(f"{system} predicts {name} of shape {tuple(found.shape)}, not {shape}: mend its `predict`")
    if prediction.probabilities is not None and prediction.probabilities.numel():
        low, high = (float(value) for value in prediction.probabilities.aminmax())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # NaN is neither
            raise UserError(
                f"{system} predicts probabilities from {low:g} to {high:g}: mend its `predict`, they lie in [0, 1]"
            )


def predict(segmenter: Segmenter, batch: Batch, shots: int, truth: bool = False) -> Iterator[tuple[Frame, Prediction]]:
    """Adapt to the first `shots` shots and predict every query; it is handed over without its mask.

    With `truth` it carries its mask as the oracle field of that name.
    """
    state = segmenter.adapt(batch.supports.first(shots))
    blind = (_blind(query, truth) for query in batch.queries)
    found = segmenter.predict(state, blind)
    if not isinstance(found, Iterable):
        module = type(segmenter).__module__
        raise UserError(f"{module}: predict gives a {type(found).__name__}; it must yield one prediction a query")
    yield from zip(batch.queries, found, strict=True)


def _blind(query: Frame, truth: bool) -> Frame:
    shown = {"truth": query.masks} if truth and query.masks is not None else {}
    return replace(query, masks=None, oracle={**query.oracle, **shown})


class Pictures:
    """The first few episodes, and a little of the others, as the report shows them (see pipeline.scores)."""

    def __init__(self, count: int, kept: Kept = "nothing") -> None:
        """Keep episodes 0 to `count` - 1, and what `kept` says of all of them."""
        self._count, self._kept = count, kept
        self._seen: set[bytes] = set()
        self.arrays: dict[str, NDArray[np.uint8]] = {}

    def load(self, arrays: dict[str, NDArray[np.uint8]]) -> None:
        """Go on from the pictures of another one."""
        self.arrays = arrays
        self._seen = {image.tobytes() for name, image in arrays.items() if name.endswith("/shown")}

    def add_supports(self, episodes: Sequence[int], frames: Sequence[Frame], *, masks: bool = False) -> None:
        """Keep the supports of the episodes with these numbers, and their `masks` if asked for."""
        for k, frame in enumerate(frames):
            self._keep(episodes, f"support{k}", frame.images.permute(0, 2, 3, 1))
            if masks and frame.masks is not None:
                self._keep(episodes, f"mask{k}", frame.masks)
        if self._kept == "supports":
            for episode, image in zip(episodes, frames[0].images.permute(0, 2, 3, 1).cpu().numpy(), strict=True):
                if image.tobytes() not in self._seen:
                    self._seen.add(image.tobytes())
                    self.arrays[f"{episode}/shown"] = image

    def add_query(self, episodes: Sequence[int], q: int, query: Frame, prediction: Prediction) -> None:
        """Keep query, truth and prediction of the episodes with these numbers; of a video's later frames, the film."""
        if query.masks is None:
            return
        if self._kept == "video" and prediction.probabilities is not None:
            for episode, frame in zip(episodes, label_frames(query.images, prediction.probabilities), strict=True):
                self.arrays[f"{episode}/video{q:04}"] = frame
            if q:
                return
        self._keep(episodes, f"query{q}", query.images.permute(0, 2, 3, 1))
        self._keep(episodes, f"truth{q}", query.masks)
        if prediction.probabilities is None:
            return
        if self._kept == "film" and q == 0:
            for episode, frame in zip(episodes, film_frames(query.images, prediction.probabilities), strict=True):
                self.arrays[f"{episode}/film"] = frame
        self._keep(episodes, f"prediction{q}", (prediction.probabilities.float() * 255).round())

    def _keep(self, episodes: Sequence[int], name: str, values: Tensor) -> None:
        for row, episode in enumerate(episodes):
            if episode < self._count:
                self.arrays[f"{episode}/{name}"] = values[row].to(torch.uint8).cpu().numpy()
