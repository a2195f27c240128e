"""The job of the report: every cell of the table and where its scores lie."""

from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.job import Facts


class Metric(Facts):
    """A metric is a statistic of each episode and an aggregate over them."""

    statistic: str
    aggregate: str
    """Function of `pipeline.report.aggregates`."""
    parameters: dict[str, Any] = {}


class Curve(Facts):
    """A metric against the level of a data set: a line a system with its intervals, the published one dashed."""

    kind: Literal["curve"]
    title: str
    track: str
    metric: str
    split: str
    x: str
    """Pattern a data set's whole name must match; its one group is the level, a number (`clutter-n([0-9]+)`)."""
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


Plot = Annotated[Curve | Sweep, Field(discriminator="kind")]
"""A plot of the page, as suite.yaml declares it under `plots`."""


class Cell(Facts):
    """One row of the table: one number, or one hole."""

    suite: str
    track: str
    table: str
    """Where the paper prints it (`Table 1`)."""
    dataset: str
    split: str
    protocol: str
    system: str
    trained_on: str | None
    train_list: str
    shots: int
    augmentation: str
    oracle: bool
    metric: str
    scores: list[str]
    """One path a seed."""
    models: list[str]
    """Manifest of the trained model, one a seed; empty for an untrained system."""


class Suite(Facts):
    """What the report needs of a suite."""

    name: str
    title: str
    paper: str
    published: str
    """Path of published.tsv."""
    recorded: str
    """Path of recorded.tsv."""
    metrics: dict[str, Metric]
    tracks: dict[str, str]
    """Track -> title."""
    plots: list[Plot] = []


class ReportJob(Facts):
    """Everything the report shows, from settings, suites and plugins."""

    profile: str
    budget: float
    suites: list[Suite]
    cells: list[Cell]
    sources: list[str]
    """Manifests of the raw sources behind the cells."""
    bootstrap: int = 1000
    """Resamples behind each interval."""
