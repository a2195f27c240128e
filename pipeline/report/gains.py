"""What augmentations gain, in sentences with their evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.report.row import metric_title
from pipeline.report.table import Entry

Effect = Literal["helps", "harms", "shows no clear effect on"]


@dataclass(frozen=True)
class Gain:
    """One comparison: the sentence, and whether its interval leaves zero out."""

    sentence: str
    effect: Effect


def gains(entries: Sequence[Entry]) -> list[Gain]:
    """A sentence a cell of a gain, in the table's order; none of a metric that is no gain."""
    found = []
    for entry in entries:
        row, cell = entry.row, entry.cell
        known = row.value is not None and row.ci_low is not None and row.ci_high is not None
        if cell is None or not cell.reference or not known:
            continue
        low, high = row.ci_low or 0.0, row.ci_high or 0.0
        effect: Effect = "helps" if low > 0 else "harms" if high < 0 else "shows no clear effect on"
        found.append(Gain(_sentence(entry, effect, low, high), effect))
    return found


def _sentence(entry: Entry, effect: Effect, low: float, high: float) -> str:
    row = entry.row
    what, against = _named(row.augmentation, row.shots)
    metric = metric_title(row.metric.removesuffix("_gain"))
    by = f"{100 * (row.value or 0):+.1f} points of {metric} [{100 * low:+.1f}, {100 * high:+.1f}]"
    runs = f"{row.episodes} episodes, {row.seeds} run{'s' if row.seeds != 1 else ''}"
    where = row.dataset if row.shots == 1 else f"{row.dataset} with {row.shots} supports"
    return f"{what} {effect} {row.system} on {where}: {by} against {against} ({runs})"


def _named(augmentation: str, shots: int) -> tuple[str, str]:
    """What an augmentation adds, and to what."""
    alone = "the one annotated image alone" if shots == 1 else f"the {shots} annotated images alone"
    if augmentation == "standard":
        return "Standard augmentation", alone
    standard, _, synthesizer = augmentation.rpartition("-")
    return f"Synthetic data of {synthesizer}", "standard augmentation alone" if standard else alone
