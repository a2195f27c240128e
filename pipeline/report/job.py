"""The job of the report: every cell of the table and where its scores lie."""

from typing import Any

from pipeline.job import Facts
from pipeline.report.differences import Differences
from pipeline.report.shown import Claim, Figure, PrintedParameters, PrintedTime


class Metric(Facts):
    """A metric is a statistic of each episode and an aggregate over them."""

    statistic: str
    aggregate: str
    """Function of `pipeline.report.aggregates`."""
    parameters: dict[str, Any] = {}
    gain: bool = False
    """Whether it is what an augmentation gains: the aggregate minus that of the same cell without it."""


class Choice(Facts):
    """How the weights of a cell are chosen: those that score best on other episodes."""

    metric: str
    shots: int
    percents: list[int]
    """Of training, ascending: those of the candidates."""
    among: list[list[dict[str, str]]]
    """Of each seed, and level, the path of every candidate's scores -> that of its scores on those other episodes."""


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
    snapshot: str = ""
    """Which weights: those after so much of the training (`25%`), those that scored best on another split
    (`base_val`, and once they are chosen `base_val: 25%`, one a seed and level), or the last ones."""
    shots: int
    augmentation: str
    oracle: bool
    metric: str
    scores: list[list[str]]
    """The paths of each seed: one, or one a level where the episodes of several levels are scored together."""
    reference: list[list[str]] = []
    """Of a gain: the same paths of what it is compared with."""
    choice: Choice | None = None
    """How the weights are chosen; `scores` are then those of the last ones, until they are."""
    models: list[str]
    """Manifest of the trained model, one a seed (and level); empty for an untrained system."""
    home: bool = False
    """Whether its training set goes without saying, as it is the track's, or the only one the system has there."""
    whole: bool = True
    """False where fewer levels are scored together than the study has."""
    schedule: float | None = None
    """Share of the published training samples, the least over the system and what it needs; None if untrained."""

    @property
    def files(self) -> list[str]:
        """All paths of `scores`, of what they are compared with, and of what the choice is made by."""
        among = (
            [path for seed in self.choice.among for part in seed for pair in part.items() for path in pair]
            if self.choice
            else []
        )
        return [*(path for parts in [*self.scores, *self.reference] for path in parts), *among]

    @property
    def on_the_way(self) -> bool:
        """Whether the weights are those of an unfinished training."""
        return self.snapshot.endswith("%") and ":" not in self.snapshot


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
    figures: list[Figure] = []
    claims: list[Claim] = []
    classes: dict[int, str] = {}
    parameters: list[PrintedParameters] = []
    times: list[PrintedTime] = []
    differences: Differences = Differences()
    facts: dict[str, list[str]] = {}
    """Plugin -> the choices that its plugin.yaml names."""


class ReportJob(Facts):
    """Everything the report shows, from settings, suites and plugins."""

    profile: str
    budget: float
    suites: list[Suite]
    cells: list[Cell]
    sources: list[str]
    """Manifests of the raw sources behind the cells."""
    banks: list[str] = []
    """Manifests of the banks of textures behind them."""
    bootstrap: int = 1000
    """Resamples behind each interval."""
