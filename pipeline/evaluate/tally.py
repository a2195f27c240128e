"""What an evaluation has counted so far, and how it is kept, so that a killed one goes on where it was."""

import io
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluate.score import Pictures, Scorer
from pipeline.evaluate.worst import Worst
from pipeline.manifest import write_atomic

PAUSE = "60"
"""Seconds between two savings, unless GLIMPSE_CHECKPOINT_SECONDS says otherwise."""


class Tally:
    """Statistics of every episode at each number of shots, the first pictures and the worst; `done` episodes of all."""

    def __init__(self, scorers: Mapping[int, Scorer], pictures: Pictures, worst: Worst) -> None:
        """Nothing has been counted."""
        self.scorers, self.pictures, self.worst = scorers, pictures, worst
        self.done = 0
        self.seconds = 0.0
        """What earlier processes have spent on it."""
        self.names: dict[int, str] = {}
        """Episode -> name of the video that it is, or of its support where that has synthetic pairs."""
        self.failed: dict[int, str] = {}
        """Episode -> why it could not be scored."""

    @property
    def shown(self) -> dict[str, Any]:
        """All pictures, named as `pipeline.scores` says."""
        return self.worst.arrays | self.pictures.arrays

    def outcome(self) -> dict[str, Any]:
        """The fields of `Scores` that tell of episodes with names: these, and which could not be scored."""
        if not self.names:
            return {}
        return {
            "names": [self.names[number] for number in sorted(self.names)],
            "failed": self.failed,
            "status": "failed" if len(self.failed) == len(self.names) else "ok",
            "reason": next(iter(self.failed.values()), ""),
        }

    def pack(self, seconds: float) -> bytes:
        """All of it, as an archive of arrays; no number is rounded. `seconds` have been spent on it so far."""
        state = {
            "done": self.done,
            "seconds": seconds,
            "columns": {shots: scorer.columns for shots, scorer in self.scorers.items()},
            "rank": self.worst.rank,
            "names": self.names,
            "failed": self.failed,
        }
        arrays: dict[str, Any] = {f"first/{name}": array for name, array in self.pictures.arrays.items()}
        arrays |= {f"worst/{name}": array for name, array in self.worst.arrays.items()}
        packed = io.BytesIO()
        np.savez(packed, state=np.frombuffer(json.dumps(state).encode(), np.uint8), **arrays)
        return packed.getvalue()

    def unpack(self, data: bytes) -> None:
        """Take up what `pack` made of a tally of the same statistics and shots."""
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            state: dict[str, Any] = json.loads(arrays["state"].tobytes())
            found = {name: arrays[name] for name in arrays.files}
        self.done, self.seconds = state["done"], state["seconds"]
        self.names, self.failed = ({int(n): text for n, text in state[key].items()} for key in ("names", "failed"))
        for shots, scorer in self.scorers.items():
            scorer.columns = state["columns"][str(shots)]
        self.pictures.load(_below("first/", found))
        self.worst.load(state["rank"], _below("worst/", found))


class Shelf:
    """Where a tally lies while it grows: one file, written beside and renamed, of one job with one code and inputs."""

    def __init__(self, folder: Path, digest: str) -> None:
        """In a work folder; `digest` is of all that the scores depend on."""
        self._path, self._digest = folder / "tally.npz", digest.encode()
        self._pause = float(os.environ.get("GLIMPSE_CHECKPOINT_SECONDS", PAUSE))
        self._start = self._saved = time.monotonic()

    def load(self, tally: Tally) -> None:
        """Take up what is kept, unless it belongs to other settings, data or code."""
        if self._path.exists():
            digest, _, data = self._path.read_bytes().partition(b"\n")
            if digest == self._digest:
                tally.unpack(data)

    def save(self, tally: Tally) -> None:
        """Keep the tally if the last time was long enough ago."""
        now = time.monotonic()
        if now - self._saved >= self._pause:
            write_atomic(self._path, self._digest + b"\n" + tally.pack(tally.seconds + now - self._start))
            self._saved = time.monotonic()

    def clear(self) -> None:
        """Keep nothing any more."""
        self._path.unlink(missing_ok=True)


def _below(prefix: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in found.items() if name.startswith(prefix)}


def tally_of(
    statistics: Mapping[str, Mapping[str, Any]], shots: Sequence[int], pictures: Pictures, system: str
) -> Tally:
    """An empty tally of `statistics` (name -> parameters) at each number of shots."""
    return Tally({k: Scorer(statistics, system) for k in shots}, pictures, Worst())
