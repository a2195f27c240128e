"""What published.yaml says: the figures a study shows, and what it claims beside its printed numbers.

It may name systems, as published.tsv does, whether or not there is a plugin for them.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline.job import Facts


class Curve(Facts):
    """A metric against the level of a data set: a line a system with its intervals, the published one dashed."""

    kind: Literal["curve"]
    title: str
    tracks: list[str]
    metric: str
    splits: list[str]
    """More than one: a line each, paler from the second on."""
    systems: list[str] | None = None
    """None means all that enter the tracks."""
    x: str
    """Pattern a data set's whole name must match; its first group is the level, a number (`clutter-n([0-9]+)`)."""
    lines: Literal["split", "dataset", "trained_on"] = "split"
    """What a system has several lines for: splits, values of the second group of `x`, or training sets."""
    x_label: str = "level"
    log2: bool = True
    """Whether the levels stand on a logarithmic axis of base 2."""


class Sweep(Facts):
    """A metric of `overlap` against the threshold of probabilities: a panel a system, a line a data set."""

    kind: Literal["sweep"]
    title: str
    track: str
    metric: str
    split: str
    systems: list[str] | None = None


class Levels(Facts):
    """The first episode of a split at every level: its support and its query, a column a level."""

    kind: Literal["levels"]
    title: str
    track: str
    split: str
    x: str
    """As in `Curve`."""


class Film(Facts):
    """Every frame of the videos of a track whose `kept` is `film`, with the predicted mask over it: a GIF a system."""

    kind: Literal["film"]
    title: str
    track: str
    metric: str
    """Whose threshold makes the mask, and whose value stands below."""
    systems: list[str] | None = None
    """None means all that enter the track."""


class Videos(Facts):
    """The first videos of a track whose `kept` is `video`, with the objects found in every frame: a GIF each."""

    kind: Literal["videos"]
    title: str
    track: str
    metric: str
    augmentations: list[str]
    videos: int = 3
    systems: list[str] | None = None
    """None means all that enter the track."""


class Patches(Facts):
    """The best and the worst patches of each class, a row a class and system; the `kept` of its track is `supports`."""

    kind: Literal["patches"]
    title: str
    track: str
    metric: str
    """Of the aggregate `patch_accuracy`."""


class Shots(Facts):
    """A metric against the number of supports on one data set: a line a system with its intervals."""

    kind: Literal["shots"]
    title: str
    track: str
    metric: str
    split: str
    dataset: str
    systems: list[str] | None = None
    """None means all that enter the track."""


class Course(Facts):
    """A metric along training, at every snapshot: a panel a data set, a line a system and split."""

    kind: Literal["course"]
    title: str
    metric: str
    datasets: list[str]
    splits: list[str]
    """More than one: a line each, paler from the second on."""
    shots: int = 1
    systems: list[str] | None = None
    """None means all that have snapshots; one without that is named here stands as a line across."""


class Samples(Facts):
    """The first samples of synthesizers with their masks over them, beside the given pair."""

    kind: Literal["samples"]
    title: str
    track: str
    systems: list[str] | None = None
    """In this order; None means all that enter the track."""
    pairs: int = 3
    """How many pairs, from the first."""


class Scatter(Facts):
    """One metric against another: a point a system, published ones hollow."""

    kind: Literal["scatter"]
    title: str
    tracks: list[str]
    x: str
    y: str


class Episodes(Facts):
    """A metric on every video or pair: a table, a column a system."""

    kind: Literal["episodes"]
    title: str
    track: str
    metric: str


Figure = Annotated[
    Curve | Sweep | Levels | Shots | Course | Film | Videos | Patches | Samples | Scatter | Episodes,
    Field(discriminator="kind"),
]


class Line(Facts):
    """A line of the table: one system. What is None is as the claim says."""

    system: str
    trained_on: str | None = None
    """Needed where the track has several training sets."""
    track: str | None = None
    split: str | None = None
    metric: str | None = None
    shots: int = 1
    augmentation: str = "none"


class _Claim(Facts):
    name: str
    """Its key in results/summary.json."""
    says: str
    """The claim in a sentence, with any number the study gives no more than roughly (`nearly flat`)."""
    source: str
    """Where the study says or shows it (`Table 1`)."""
    track: str
    split: str
    metric: str
    datasets: Annotated[list[str], Field(min_length=1)]
    """Where it is claimed, in order."""


class Falls(_Claim):
    """The metric is lower on each data set than on the one before it."""

    kind: Literal["falls"]
    of: Line


class Above(_Claim):
    """The metric of one line exceeds that of another by more than `by` and less than `most`, both fractions."""

    kind: Literal["above"]
    above: Line
    below: Line
    by: float = 0
    most: float | None = None
    average: bool = False
    """Whether it is claimed of the mean over the data sets, not of each."""


class Flat(_Claim):
    """The highest and the lowest value over the data sets lie less than `most`, a fraction, apart."""

    kind: Literal["flat"]
    of: Line
    most: float


class Within(_Claim):
    """The metric on each data set lies above `least` and below `most`, both fractions."""

    kind: Literal["within"]
    of: Line
    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.least is None and self.most is None:
            raise ValueError("give least, most or both")
        return self


class Faster(_Claim):
    """An episode takes one line, timed alone, less than a `by`-th of the seconds that it takes another."""

    kind: Literal["faster"]
    fast: Line
    slow: Line
    by: float


Claim = Annotated[Falls | Above | Flat | Within | Faster, Field(discriminator="kind")]


class PrintedParameters(Facts):
    """How large a paper says a system is, as printed."""

    system: str
    printed: str
    source: str


class PrintedTime(Facts):
    """How long a paper says an episode takes, on its own machine."""

    system: str
    shots: int
    seconds: float
    source: str


class Shown(Facts):
    """published.yaml, whole."""

    classes: dict[int, str] = {}
    """Names of the classes of which the page shows the IoU of each."""
    parameters: list[PrintedParameters] = []
    times: list[PrintedTime] = []
    figures: list[Figure] = []
    claims: list[Claim] = []


def named(values: Any) -> Iterator[tuple[str, str]]:
    """Every track, split, metric and data set that figures and claims, dumped, name: (`track`, its name)."""
    for key, value in values.items() if isinstance(values, dict) else enumerate(values):
        kind = str(key).removesuffix("s")
        if kind in ("track", "split", "metric", "dataset"):
            yield from ((kind, name) for name in ([value] if isinstance(value, str) else value or ()))
        elif isinstance(value, dict | list):
            yield from named(value)
