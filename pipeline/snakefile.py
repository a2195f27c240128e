"""What the Snakefile needs beside the plan: leaving in one line, and taking over from a run that was killed."""

import fcntl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from pipeline.errors import UserError

Result = TypeVar("Result")
_alive: list[IO[str]] = []


def or_exit(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call it; a `UserError` ends Snakemake with that one line (an exception of its own would print three)."""
    try:
        return function(*arguments)
    except UserError as error:
        sys.exit("error: " + " ".join(str(error).split()))


def forget_dead_runs(folder: Path = Path(".snakemake")) -> None:
    """Delete the locks that a killed Snakemake left behind, unless a live one holds `.snakemake/alive`."""
    folder.mkdir(exist_ok=True)
    handle = (folder / "alive").open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return
    _alive.append(handle)  # held until this process ends
    for lock in (folder / "locks").glob("*.lock"):
        lock.unlink(missing_ok=True)
