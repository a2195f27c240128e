"""Progress with an estimate of the end, on standard error."""

import os
import sys
import time
from collections.abc import Mapping

QUIET = 10.0
"""Seconds between two plain lines, where standard error is no terminal."""


class ProgressLine:
    """Progress of one piece of work: a line redrawn on a terminal, a plain line now and then in a log."""

    def __init__(self, stage: str, total: int, done: int, unit: str = "episodes") -> None:
        """Start at `done` of `total` episodes, or of what `unit` says."""
        self._unit = unit
        self._stage, self._total, self._first = stage, total, done
        self._start = self._last = time.monotonic()
        self._terminal = os.isatty(2)

    def show(self, done: int, metrics: Mapping[str, float]) -> None:
        """Tell how far it is, how fast, and how long it still takes."""
        now = time.monotonic()
        if not self._terminal and now - self._last < QUIET and done < self._total:
            return
        self._last = now
        speed = (done - self._first) / max(now - self._start, 1e-9)
        left = (self._total - done) / speed if speed else 0.0
        shown = " ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        line = f"{self._stage}: {done:,}/{self._total:,} {self._unit}, {speed:,.0f}/s, {left:,.0f} s left, {shown}"
        end = "\r" if self._terminal and done < self._total else "\n"
        print(line, end=end, file=sys.stderr, flush=True)
