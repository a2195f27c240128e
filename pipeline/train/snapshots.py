"""Snapshots: the weights after some part of the training, kept to be scored beside the last ones."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pipeline.manifest import write_atomic
from pipeline.segmenter import Segmenter, Synthesizer
from pipeline.system import packed, weights_file


class Snapshots:
    """Weights after so many percent of the episodes of all stages; of a training taken up again they are the same."""

    def __init__(self, work: Path, percents: Sequence[int], model: Segmenter | Synthesizer) -> None:
        """Keep them in `work`, where `weights_file` says."""
        self._work, self._percents, self._model = work, percents, model
        self._total = sum(stage.samples // stage.batch * stage.batch for stage in model.stages)

    def clear(self) -> None:
        """Drop those of an earlier training; one without a single update has but the weights that it starts with."""
        shutil.rmtree((self._work / weights_file(1)).parent, ignore_errors=True)
        if not self._total:
            self._write(self._percents)

    def whole(self, seen: int) -> bool:
        """Whether all that were reached within `seen` episodes are there."""
        reached = [percent for percent in self._percents if percent * self._total <= 100 * seen]
        return all((self._work / weights_file(percent)).is_file() for percent in reached)

    def keep(self, before: int, seen: int) -> None:
        """Write the weights if one of the percents was reached between `before` and `seen` episodes."""
        self._write([percent for percent in self._percents if 100 * before < percent * self._total <= 100 * seen])

    def _write(self, percents: Sequence[int]) -> None:
        for percent in percents:
            write_atomic(self._work / weights_file(percent), packed(self._model))
