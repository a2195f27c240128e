"""The job of one evaluation."""

from typing import Any, Literal

from pipeline.job import Facts

Kept = Literal["nothing", "film", "video", "supports"]
"""Small first queries with their predictions (episodes are frames of a video), all queries of each episode small with
their labels (episodes are videos, and have names), or every support that is not like one before."""


class MeasureJob(Facts):
    """Measure what one synthesizer made of the pairs of a data set: an episode is a pair."""

    system: str
    tested_on: str
    """`davis17-pairs`: data set and split."""
    pairs: str
    """Manifest of the samples."""
    data: str
    """Manifest of the split whose first supports are the pairs."""
    statistics: dict[str, dict[str, Any]]
    """Module below `pipeline.evaluate.pair_statistics` -> its parameters."""
    nets: dict[str, str] = {}
    """Network that a measure can use -> manifest of its published weights."""
    insist: bool = False
    """Whether it is a mistake that they cannot be had."""
    pictures: int
    """How many samples of each pair are kept as pictures for the report."""
    seed: int
    threads: int
    device: Literal["auto", "cpu", "cuda"]


class EvaluateJob(Facts):
    """Score one trained (or untrained) system on one test split, all shots at once."""

    system: str
    plugin: str
    trained_on: str | None
    tested_on: str
    """`clutter-n32-test_one_shot`: data set and split."""
    augmentation: str
    """`none`, or how supports are extended: `standard`, `osmis`, `standard-osmis`."""
    standard: bool = False
    """Whether standard augmentation of the supports is asked for."""
    synthetic: str | None = None
    """Manifest of the synthetic pairs that extend the supports."""
    train_parameters: dict[str, Any]
    evaluate_parameters: dict[str, Any]
    model: str | None
    """Manifest of the system's model; None for an untrained system."""
    snapshot: int | None = None
    """Percent of training after which the weights were kept; None means the last ones."""
    needs: dict[str, str] = {}
    """Other systems' models, for an untrained system that builds on them."""
    pretrained: dict[str, str] = {}
    """Name in `build`'s weights -> manifest of a source of published weights, for an untrained system."""
    insist: bool = False
    """Whether it is a mistake that published weights cannot be had, rather than a reason to do without."""
    data: str
    """Manifest of the test split."""
    oracle: dict[str, str] = {}
    """Oracle field -> manifest of the store that holds it; only for plugins that declare the field."""
    truth: bool = False
    """Whether queries carry their own mask as the oracle field `truth`."""
    first: int = 0
    """The first of the split's episodes, which has the number 0 in the scores."""
    episodes: int
    """How many of them, from there on."""
    shots: list[int]
    """Numbers of shots; k shots are the first k supports of an episode, or the first k of every class (n-way)."""
    statistics: dict[str, dict[str, Any]]
    """Module below `pipeline.evaluate.statistics` -> its parameters."""
    by_support: bool = False
    """Whether scores name the support of each row: pairs are fitted to it, and many episodes share it."""
    batch: int
    """Episodes side by side."""
    pictures: int
    """How many first episodes are kept as pictures for the report."""
    kept: Kept = "nothing"
    """What is kept of all other episodes."""
    seed: int
    threads: int
    precision: Literal["float32", "bfloat16", "float16"]
    device: Literal["auto", "cpu", "cuda"]
