"""Where an export lands: whole at its place, or not at all."""

import errno
import fcntl
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from pipeline.errors import UserError


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Yield a path to write a file or folder to, which becomes `target` at the end; after a failure nothing is left.

    Nor is after ctrl-C or SIGTERM; what a killed process left is removed by the next. The path lies in a hidden folder
    beside `target`, so that the last step is a rename. `UserError` where `target` exists, is being written or cannot
    be; a full disk is an `OSError`.
    """
    made = [folder for folder in target.parents if not folder.exists()]
    beside = target.with_name(f".{target.name}.partial")
    ended = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with _claim(beside, target):
            try:
                yield beside / target.name
                (beside / target.name).rename(target)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        error.filename = str(target)  # a user has never heard of what lies beside
        raise
    finally:
        signal.signal(signal.SIGTERM, ended)
        for folder in (beside, *made):
            with suppress(OSError):  # it is in use, or was never made
                folder.rmdir()


def _claim(beside: Path, target: Path) -> IO[str]:
    """Make the folder `beside`, empty; the file returned is its lock."""
    _refuse(target)
    with ExitStack() as stack:
        try:
            beside.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context((beside / ".lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _refuse(target)  # the one whose lock it was may just have ended
            _clear(beside)
        except BlockingIOError:
            message = f"another process is exporting to {target}"
            raise UserError(f"{message}: wait for it to end, or choose another --output") from None
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            message = f"cannot write {target} ({error.strerror})"
            raise UserError(f"{message}: choose another folder for --output") from None
        stack.pop_all()
        return lock


def _clear(beside: Path) -> None:
    for left in beside.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != ".lock":
            left.unlink()


def _refuse(target: Path) -> None:
    if target.exists():
        raise UserError(f"{target} is there already: remove it, or choose another folder for --output")
