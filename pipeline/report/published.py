"""Published numbers: a suite's published.tsv, and which of its rows a cell of ours answers."""

import csv
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from pipeline.errors import UserError
from pipeline.job import Facts, parse

Key = tuple[str, str, str, str, str, int, str, str]
"""What a number is about: dataset, split, protocol, system, trained_on, shots, augmentation, metric."""

ANY = "any"
"""Training set of a number whose paper does not say enough to tell it: the number answers to all of them."""


class Published(Facts):
    """One number as a paper prints it."""

    table: str
    """Where it stands (`Table 1`)."""
    dataset: str
    split: str
    protocol: str
    system: str
    trained_on: str
    """Empty for an untrained system; `any` for what the paper does not say."""
    shots: int
    augmentation: str
    metric: str
    value: Decimal
    """As printed, trailing zeros included."""
    scale: Decimal
    """What turns the printed value into a fraction: 0.01 for percent."""
    note: str

    @property
    def fraction(self) -> Decimal:
        """The exact value as a fraction; it keeps the printed digits (29.0 percent is 0.290)."""
        return self.value * self.scale

    @property
    def key(self) -> Key:
        """What the number is about."""
        return (
            self.dataset,
            self.split,
            self.protocol,
            self.system,
            self.trained_on,
            self.shots,
            self.augmentation,
            self.metric,
        )

    def answers(self, key: Key) -> bool:
        """Whether it is the published number of a cell about `key`."""
        own = self.key
        return own == key if self.trained_on != ANY else own[:4] + own[5:] == key[:4] + key[5:]


def read_tsv(path: Path) -> list[tuple[str, dict[str, str]]]:
    """The lines of a table with a header: (place for messages, column -> text); `UserError` where it is missing."""
    try:
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file, delimiter="\t", restkey="(more)", restval=""))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: restore it, or take its suite out of the setting 'suites'") from None
    return [(f"{path}, line {number}", line) for number, line in enumerate(lines, start=2)]


def read_published(path: Path) -> list[Published]:
    """All rows of a published.tsv in the order of the file; `UserError` names the line and the column at fault."""
    return [parse(Published, line, place) for place, line in read_tsv(path)]


def find_published(rows: Iterable[Published], key: Key, table: str) -> Published | None:
    """The number printed for `key`; where several tables print one, the one of `table`, else the first."""
    found = [row for row in rows if row.answers(key)]
    return next((row for row in found if row.table == table), found[0] if found else None)
