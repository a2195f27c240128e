"""A suite is one published study as data: its data sets, its tracks and its metrics; it names no system of ours."""

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pipeline.closure import ROOT
from pipeline.errors import UserError, nearest
from pipeline.evaluate.job import Kept
from pipeline.job import Facts, parse
from pipeline.report.differences import Differences
from pipeline.report.job import Metric
from pipeline.report.shown import Shown, named
from pipeline.settings import Profile, Settings, by_profile, read_yaml

Count = int | dict[str, int]
"""A number, or one a profile."""


def _ascending(values: list[int]) -> list[int]:
    if values != sorted(set(values)):
        raise ValueError("they must ascend, each named once")
    return values


Percents = Annotated[list[Annotated[int, Field(ge=1, le=99)]], AfterValidator(_ascending)]


class Bank(Facts):
    """How a bank of textures is made of a source of photos; any value may be given by profile."""

    source: str
    side: Count
    """Pixels of a texture."""
    synthesis: dict[str, Any] | None = None
    """How textures are synthesized (`pipeline.texturize.job.Synthesis`); without it they are the photos."""


class Gallery(Facts):
    """How the images of a data set are gathered, from which episodes are drawn by position."""

    renderer: str
    sources: list[str]
    spare: list[str] = []
    """Sources that stand in where others lack something; whether they are complete does not count."""
    parameters: dict[str, Any] = {}
    """Keyword arguments; any value may be given by profile, and `{settings.name}` is that setting."""


class Synthesis(Facts):
    """How many pairs synthesizers make of each that they are fitted to, and which of them downstream systems get."""

    samples: Count = 100
    keep: float = 0.85
    """Share that the filter keeps."""
    nets: list[str] = []
    """Sources of published weights of the networks that filter and measure, the preferred one of each measure first."""


class Dataset(Facts):
    """How a data set, or a family of them with levels in braces (`clutter-n{n}`), is rendered."""

    renderer: str
    sources: list[str] = []
    banks: list[str] = []
    """Banks of textures that the renderer reads beside the sources."""
    galleries: list[str] = []
    """Galleries that its episodes are drawn from."""
    train_list: str = "train"
    """The table's name for what its train split was drawn from."""
    parameters: dict[str, Any] = {}
    """The renderer's keyword arguments; `{n}` stands for the level. Any value may be given by profile, or by split."""
    splits: dict[str, Count]
    """Split -> episodes, before the budget; 0 leaves the split out, in the profiles that say so."""
    runs: list[str] = []
    """Splits of which every run (setting `runs`) has other episodes, as many as `splits` says."""
    stream: bool | dict[str, bool] = False
    """Whether the train split is replayed instead of stored, whatever the setting `stream`; may be given by profile."""
    oracles: dict[str, dict[str, Any]] = {}
    """Oracle field -> parameters that make the renderer write it, as a store of its own."""


Augmentation = Literal["none", "standard", "synthetic", "standard-synthetic"]


class TrainingSet(Facts):
    """Several data sets to train on together."""

    datasets: str | list[str]
    """Their names, with levels in braces (`clutter-n{n}`)."""
    each: dict[str, str] = {}
    """Level in braces -> the setting that lists its values."""


class Together(Facts):
    """The episodes of all levels of a track scored together, as a data set of its own (`pascal5i`: all folds)."""

    dataset: str
    """Its name in the table. The split is named as the levels' own."""
    trained_on: str
    """What stands for the levels' training sets."""
    of: int
    """How many levels make it complete."""


class Track(Facts):
    """One comparison: trained on -> tested on, under one protocol."""

    title: str
    each: dict[str, str] = {}
    """Level in braces -> the setting that lists its values."""
    trained_on: str | None = None
    """Data set, or set of them, whose `train` split a trained system sees; None where nothing is trained for this."""
    tested_on: list[str]
    """`data set/split`."""
    protocol: str
    shots: list[int] = [1]
    shots_of: dict[str, list[int]] = {}
    """Split -> its own numbers of supports, where a protocol draws other episodes for each number."""
    augmentation: list[Augmentation] = ["none"]
    """How supports are extended, a cell each; one with `synthetic` for every synthesizer that enters."""
    together: Together | None = None
    """A cell over all levels beside those of each; None means none."""
    metrics: dict[str, str]
    """Metric -> the table of the paper that prints it."""
    fits: str | None = None
    """`data set/split` of the pairs that synthesizers in this track are fitted to. Where it is tested on as well, the
    samples themselves are measured; else they extend the supports of the segmenters in the track."""
    kept: Kept = "nothing"
    """What the report shows beside the first few episodes."""
    snapshots: Percents | dict[Profile, Percents] = []
    """Percents of training after which the weights are scored too, of systems that enter for it; may be given by
    profile."""
    chosen_on: str | None = None
    """`data set/split` that chooses among these and the last weights, by the track's first metric and number of shots;
    a cell of its own. None means that nothing is chosen."""


class Suite(Facts):
    """suite.yaml, whole."""

    title: str
    paper: str
    banks: dict[str, Bank] = {}
    galleries: dict[str, Gallery] = {}
    datasets: dict[str, Dataset]
    training_sets: dict[str, TrainingSet] = {}
    synthesis: Synthesis = Synthesis()
    statistics: dict[str, dict[str, Any]]
    """Statistic -> its parameters; what `evaluate` writes of every episode."""
    metrics: dict[str, Metric]
    tracks: dict[str, Track]
    shown: Shown = Shown()
    """published.yaml beside suite.yaml, where there is one."""
    differences: Differences = Differences()
    """differences.yaml, likewise."""


class Split(Facts):
    """One split of one data set, with the level filled in."""

    dataset: str
    split: str
    renderer: str
    sources: list[str]
    banks: dict[str, Bank] = {}
    """Bank -> how it is made, under the profile."""
    galleries: dict[str, Gallery] = {}
    """Gallery -> how it is gathered, under the profile."""
    parameters: dict[str, Any]
    episodes: int
    """Of one run, where `runs` are several."""
    runs: int = 1
    """Runs with episodes of their own, which lie one after the other."""
    oracles: dict[str, dict[str, Any]]
    stream: bool = False
    """Whether it is replayed instead of stored."""

    @property
    def name(self) -> str:
        """`clutter-n32-test_one_shot`: as a file name."""
        return f"{self.dataset}-{self.split}"


def load_suites(settings: Settings, folder: Path = ROOT / "pipeline" / "suites") -> dict[str, Suite]:
    """Read the chosen suites; `UserError` where one does not exist or is malformed."""
    there = sorted(path.parent.name for path in folder.glob("*/suite.yaml"))
    chosen = there if settings.suites == ("all",) else list(settings.suites)
    for name in chosen:
        if name not in there:
            raise UserError(f"unknown suite '{name}'; {nearest(name, there)}")
    suites = {}
    for name in chosen:
        path = folder / name / "suite.yaml"
        suite = parse(Suite, read_yaml(path), _short(path))
        beside = {
            "shown": _read_shown(path.with_name("published.yaml"), suite),
            "differences": _read_differences(path.with_name("differences.yaml"), suite),
        }
        suites[name] = suite.model_copy(update=beside)
    return suites


def train_splits(suite: Suite, name: str, settings: Settings) -> list["Split"]:
    """The train split of a data set, or those of all data sets of a training set."""
    if name not in suite.training_sets:
        return [find_split(suite, name, "train", settings)]
    together = suite.training_sets[name]
    patterns = [together.datasets] if isinstance(together.datasets, str) else together.datasets
    datasets = [pattern.format(**level) for pattern in patterns for level in levels(together, settings)]
    return [find_split(suite, dataset, "train", settings) for dataset in datasets]


def levels(facts: Track | TrainingSet, settings: Settings) -> Iterator[dict[str, int]]:
    """Every combination of its levels under the settings."""
    values = []
    for setting in facts.each.values():
        if not isinstance(getattr(settings, setting, None), tuple):
            raise UserError(f"an `each` of suite.yaml names '{setting}', which is no setting that lists levels")
        values.append(getattr(settings, setting))
    for combination in itertools.product(*values):
        yield dict(zip(facts.each, combination, strict=True))


def find_split(suite: Suite, dataset: str, split: str, settings: Settings) -> Split:
    """The split named, with its level filled in and its length under profile and budget (train splits by shards)."""
    facts, level = _find_dataset(suite, dataset)
    if split not in facts.splits:
        raise UserError(f"the data set '{dataset}' has no split '{split}'; {nearest(split, facts.splits)}")
    full = by_profile(facts.splits[split], settings.profile)
    wanted = settings.episodes if settings.episodes and split != "train" else settings.scaled(full, least=50)
    return Split(
        dataset=dataset,
        split=split,
        renderer=facts.renderer,
        sources=facts.sources,
        banks={bank: find_bank(suite, bank, settings) for bank in facts.banks},
        galleries={gallery: find_gallery(suite, gallery, settings) for gallery in facts.galleries},
        parameters=fill(_given(facts, split, settings), level),
        episodes=min(wanted, full),
        runs=settings.runs if split in facts.runs else 1,
        oracles=facts.oracles,
        stream=split == "train" and (settings.stream or by_profile(facts.stream, settings.profile)),
    )


def _read_shown(path: Path, suite: Suite) -> Shown:
    """Figures and claims; `UserError` where they name what suite.yaml lacks (systems aside: it names none)."""
    if not path.exists():
        return Shown()
    shown = parse(Shown, read_yaml(path), _short(path))
    splits = {split for dataset in suite.datasets.values() for split in dataset.splits}
    known = {"track": suite.tracks, "split": splits, "metric": suite.metrics}
    pooled = {track.together.dataset for track in suite.tracks.values() if track.together}
    for kind, name in named(shown.model_dump()):
        if kind == "dataset" and name in pooled:
            continue
        if kind == "dataset":
            _find_dataset(suite, name)
        elif name not in known[kind]:
            raise UserError(f"{_short(path)}: the suite has no {kind} '{name}'; {nearest(name, known[kind])}")
    return shown


def _read_differences(path: Path, suite: Suite) -> Differences:
    if not path.exists():
        return Differences()
    found, known = parse(Differences, read_yaml(path), _short(path)), {t.protocol for t in suite.tracks.values()}
    for protocol in found.protocols:
        if protocol not in known:
            raise UserError(f"{_short(path)}: no track has the protocol '{protocol}'; {nearest(protocol, known)}")
    return found


def describes(suite: Suite, dataset: str) -> bool:
    """Whether the suite has such a data set."""
    return any(_matches(pattern, dataset) for pattern in suite.datasets)


def _find_dataset(suite: Suite, dataset: str) -> tuple[Dataset, dict[str, str]]:
    """The facts of a data set and the values of its levels: clutter-n32 is clutter-n{n} with n = 32."""
    for pattern, facts in suite.datasets.items():
        match = _matches(pattern, dataset)
        if match:
            return facts, match.groupdict()
    raise UserError(f"the suite describes no data set '{dataset}'; {nearest(dataset, suite.datasets)}")


def find_bank(suite: Suite, name: str, settings: Settings) -> Bank:
    """How the suite makes a bank under the profile; `UserError` for one that it does not describe."""
    if name not in suite.banks:
        raise UserError(f"the suite describes no bank '{name}'; {nearest(name, suite.banks)}")
    bank, profile = suite.banks[name], settings.profile
    given = None if bank.synthesis is None else {k: by_profile(v, profile) for k, v in bank.synthesis.items()}
    return Bank(source=bank.source, side=by_profile(bank.side, profile), synthesis=given)


def find_gallery(suite: Suite, name: str, settings: Settings) -> Gallery:
    """How the suite gathers a gallery under the profile; `UserError` for one that it does not describe."""
    if name not in suite.galleries:
        raise UserError(f"the suite describes no gallery '{name}'; {nearest(name, suite.galleries)}")
    facts = suite.galleries[name]
    given = {k: by_profile(v, settings.profile) for k, v in facts.parameters.items()}
    return facts.model_copy(update={"parameters": fill(given, {"settings": settings})})


def train_list(suite: Suite, train_set: str) -> str:
    """The table's name for what a training set was drawn from."""
    return "train" if train_set in suite.training_sets else _find_dataset(suite, train_set)[0].train_list


def _matches(pattern: str, dataset: str) -> re.Match[str] | None:
    return re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[a-z0-9]+)", re.escape(pattern)), dataset)


def _given(facts: Dataset, split: str, settings: Settings) -> dict[str, Any]:
    """The renderer's parameters for one split under the profile."""
    given = {name: by_profile(value, settings.profile) for name, value in facts.parameters.items()}
    each = set(facts.splits)
    return {name: v[split] if isinstance(v, Mapping) and set(v) == each else v for name, v in given.items()}


def fill(parameters: Mapping[str, Any], level: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with the values in braces filled in (`{n}`, `{settings.name}`); what is a number then becomes one."""
    filled = {}
    for name, value in parameters.items():
        text = value.format(**level) if isinstance(value, str) else value
        filled[name] = int(text) if isinstance(text, str) and text != value and text.isdigit() else text
    return filled


def _short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()
