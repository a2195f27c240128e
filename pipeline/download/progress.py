"""How far a transfer is: a bar on a terminal, a plain line now and then in a log."""

import os
import time
from types import TracebackType
from typing import NoReturn

from tqdm import tqdm

EVERY = 10.0
"""Seconds between two lines of a log."""


class Progress:
    """Counts the bytes of one file."""

    def __init__(self, name: str, start: int, total: int | None) -> None:
        """Begin at byte `start` of `total` (None where the server does not say)."""
        self._name, self._done, self._total = name, start, total
        self._bar: tqdm[NoReturn] | None = None
        if os.isatty(2):
            self._bar = tqdm(
                desc=name, initial=start, total=total, unit="B", unit_scale=True, unit_divisor=1024, leave=False
            )
        self._told = time.monotonic()

    def add(self, count: int) -> None:
        """Note `count` more bytes."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif time.monotonic() - self._told >= EVERY:
            self._told = time.monotonic()
            share = f" of {megabytes(self._total)} ({self._done / self._total:.0%})" if self._total else ""
            print(f"{self._name}: {megabytes(self._done)}{share}", flush=True)

    def __enter__(self) -> "Progress":
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def megabytes(count: int | None) -> str:
    """A size for people; a small one in bytes."""
    if count is None:
        return "size unknown"
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count:,} bytes"
