"""Checkpoints: all that a killed training needs to go on to the same bytes."""

from pathlib import Path
from typing import Any

import torch

from pipeline.job import Facts


class Progress(Facts):
    """Where a training stands."""

    digest: str
    """Of the job, its code and its inputs: a checkpoint of anything else is not taken up."""
    stage: int
    done: int
    """Episodes seen in this stage."""
    log_bytes: int
    """Length of the log that belongs to this state; what was written after it is cut off."""


def save(path: Path, progress: Progress, tensors: dict[str, Any]) -> None:
    """Write beside, then rename: there is always one whole checkpoint. `OSError` where the disk is full."""
    beside = path.with_suffix(".partial")
    try:
        with beside.open("wb") as file:
            torch.save({"progress": progress.model_dump(), **tensors}, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # torch says that its position is wrong; the disk says why
            raise error.__context__ from None
        raise
    beside.replace(path)


def load(path: Path, digest: str, device: torch.device) -> tuple[Progress, dict[str, Any]] | None:
    """The checkpoint of this very training, or None: there is none, or it belongs to other settings or code."""
    if not path.exists():
        return None
    tensors = torch.load(path, map_location=device, weights_only=True)
    progress = Progress.model_validate(tensors.pop("progress"))
    return (progress, tensors) if progress.digest == digest else None
