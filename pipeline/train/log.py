"""What a training leaves behind of its way: metrics as JSON lines."""

import json
from collections.abc import Mapping
from pathlib import Path


class MetricsLog:
    """`log.jsonl`: one line an interval, free of times, so that equal trainings leave equal bytes."""

    def __init__(self, path: Path, keep: int) -> None:
        """Open `path`, cut back to its first `keep` bytes."""
        path.touch()
        with path.open("r+b") as file:
            file.truncate(keep)
        self._path = path

    def write(self, stage: str, samples: int, metrics: Mapping[str, float]) -> None:
        """Append one line."""
        rounded = {name: float(f"{value:.6g}") for name, value in metrics.items()}
        with self._path.open("a") as file:
            file.write(json.dumps({"stage": stage, "samples": samples, **rounded}) + "\n")

    @property
    def bytes(self) -> int:
        """Its length."""
        return self._path.stat().st_size
