"""What the Snakefile needs beside the plan: leaving in one line, taking over from the dead, trusting no strays."""

import fcntl
import sys
from collections.abc import Callable, Iterable
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


def require_records(outputs: Iterable[str], folder: Path = Path(".snakemake")) -> None:
    """Raise `UserError` where some of `outputs` are here, but no record of how Snakemake made them.

    Snakemake would take them for current, whatever the settings (after `dvc pull models`, say, instead of `dvc pull`),
    and DVC would store old results as new ones.
    """
    records = folder / "metadata"
    found = None if records.is_dir() else next((path for path in outputs if Path(path).exists()), None)
    if found:
        raise UserError(
            f"{found} is here, but {records}, which tells whether it is current, is not: run `dvc pull` for all of it, "
            f"delete data, models and results, or take them as they are with `mkdir -p {records}`"
        )
