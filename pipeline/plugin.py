"""A plugin is a folder below `plugins/` with plugin.yaml (facts) and model.py (`build`); no list names plugins."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.closure import ROOT
from pipeline.errors import UserError, nearest
from pipeline.job import Facts, parse
from pipeline.settings import Profile, read_yaml

Count = Annotated[int, Field(ge=1)]
Gpu = Annotated[int, Field(ge=1, le=4)]
"""Quarters of a card; 4 means alone on it."""


class Parameters(Facts):
    """Keyword arguments of `build`, those of training apart from those that only evaluation sees."""

    train: dict[str, Any] = {}
    """Those named `samples`, or ending in `_samples`, count training episodes and follow the budget."""
    evaluate: dict[str, Any] = {}
    """`{settings.name}` is that setting."""


class Variant(Parameters):
    """Another choice of parameters, a system of its own."""

    needs: dict[str, str] | None = None
    """Instead of the plugin's own; None means those."""
    pretrained: dict[str, str] | None = None
    """Instead of the plugin's own; None means those."""
    profiles: dict[Profile, Parameters] = {}
    """What a profile changes of this variant: training that is shorter than the published one stands here, so that the
    column `schedule` tells."""


class Enters(Facts):
    """One track the plugin takes part in."""

    suite: str
    track: str
    variants: list[str] | None = None
    """Names of variants, `base` for the plugin as it is; None means all of them."""
    splits: list[str] | None = None
    """Test splits of the track; None means all of them."""
    trained_on: str | None = None
    """Training set instead of the track's own, with levels in braces (`pascal5i_semantic-fold{f}`)."""
    episodes: int | dict[Profile, int] | None = None
    """At most so many episodes of a split, where the method is too slow for all."""
    levels: dict[str, list[int]] = {}
    """Level of the track -> the values it takes part in (`{n: [4, 32]}`); all of them where it is not named."""
    profiles: list[Profile] | None = None
    """Profiles under which it takes part; None means all of them."""
    given: str | None = None
    """A setting without which it takes no part (`pascal_masks`), empty by default."""
    snapshots: bool = False
    """Whether weights on the way are scored as well, at the track's `snapshots`."""
    shots: str | None = None
    """The setting that lists its numbers of shots; None means all of the track's."""
    oracle: list[str] | None = None
    """Instead of the plugin's own fields, where the track's data lack them; None means those."""


class PluginFacts(Facts):
    """plugin.yaml, whole; read without importing torch."""

    kind: Literal["segmenter", "synthesizer"]
    title: str
    paper: str
    licence: str
    """Where the code and any weights may come from."""
    trained: bool
    """Whether `build` returns stages of training."""
    facts: list[str] = []
    """Choices that can move a number, one sentence each: which reading of the sources is the default."""
    enters: list[Enters]
    train: dict[str, Any] = {}
    evaluate: dict[str, Any] = {}
    profiles: dict[Profile, Parameters] = {}
    """What a profile changes."""
    variants: dict[str, Variant] = {}
    """Named other choices of parameters, systems of their own."""
    needs: dict[str, str] = {}
    """Name in `build`'s weights -> the system that has to be trained before, on the same data."""
    pretrained: dict[str, str] = {}
    """Name in `build`'s weights -> source of published weights (`vgg19`); left out where they cannot be had.

    The setting `weights` decides whether they are asked for; the sample profile has none."""
    oracle: list[str] = []
    """Fields of a query that only an oracle may see, in training and evaluation; marked in the table.

    `truth` is the query's own mask, in evaluation; others are data of their own, as suite.yaml lists them."""
    batch: Count | dict[Profile, Count] = 50
    """Episodes side by side in evaluation."""
    gpu: Gpu = 4
    """Share of a card while training."""
    gpu_evaluate: Gpu = 2
    """Share of a card while evaluating."""


class System(Facts):
    """A plugin with one choice of parameters, resolved for a profile."""

    plugin: str
    variant: str | None
    facts: PluginFacts
    train: dict[str, Any]
    evaluate: dict[str, Any]
    published: dict[str, Any]
    """Training parameters of the published schedule, without the profile's changes."""

    @property
    def needs(self) -> dict[str, str]:
        """Name in `build`'s weights -> the system that has to be trained before."""
        own = self._own.needs
        return self.facts.needs if own is None else own

    @property
    def pretrained(self) -> dict[str, str]:
        """Name in `build`'s weights -> source of published weights."""
        own = self._own.pretrained
        return self.facts.pretrained if own is None else own

    @property
    def learned(self) -> bool:
        """Whether anything of it was trained: it, or what it needs."""
        return self.facts.trained or bool(self.needs)

    @property
    def name(self) -> str:
        """`masknet`, or `masknet-untargeted` for a variant."""
        return self.plugin if self.variant is None else f"{self.plugin}-{self.variant}"

    @property
    def model_name(self) -> str:
        """The system whose model it uses: the plugin's own where the variant changes nothing about training."""
        own = self._own
        trains = [own, *own.profiles.values()]
        changed = any(choice.train for choice in trains) or own.needs is not None or own.pretrained is not None
        return self.name if changed else self.plugin

    @property
    def _own(self) -> Variant:
        return self.facts.variants[self.variant] if self.variant else Variant()


def find_plugins(folder: Path = ROOT / "plugins") -> dict[str, PluginFacts]:
    """Every plugin in `folder` by name; `UserError` where one is malformed or has no `build`."""
    found = {}
    for path in sorted(folder.glob("*/plugin.yaml")):
        name = path.parent.name
        if not name.isidentifier() or name != name.lower():
            raise UserError(f"plugins/{name}: rename the folder, a plugin's name is lower-case letters, digits and _")
        found[name] = parse(PluginFacts, read_yaml(path), f"plugins/{name}/plugin.yaml")
        for variant in found[name].variants:
            if not re.fullmatch("[a-z0-9_]+", variant) or variant == "base":
                rule = "a variant's name is lower-case letters, digits and _, and not base, which is the plugin itself"
                raise UserError(f"plugins/{name}/plugin.yaml: variant '{variant}': {rule}")
        _check_build(path.with_name("model.py"), found[name])
    return found


def systems(plugins: Mapping[str, PluginFacts], profile: Profile) -> Iterator[System]:
    """Every system of every plugin: the plugin as it is, then its variants."""
    for plugin, facts in plugins.items():
        overrides = facts.profiles.get(profile, Parameters())
        for variant in [None, *facts.variants]:
            own = Variant() if variant is None else facts.variants[variant]
            last = own.profiles.get(profile, Parameters())
            yield System(
                plugin=plugin,
                variant=variant,
                facts=facts,
                train=facts.train | overrides.train | own.train | last.train,
                evaluate=facts.evaluate | overrides.evaluate | own.evaluate | last.evaluate,
                published=facts.train | own.train,
            )


def _check_build(path: Path, facts: PluginFacts) -> None:
    """Read, not run, model.py: `build` must be there, keyword-only, and fit the parameters of plugin.yaml."""
    where = f"plugins/{path.parent.name}/model.py"
    try:
        tree = ast.parse(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{where} is missing: it must define build(*, ...)") from None
    except SyntaxError as error:
        raise UserError(f"{where}, line {error.lineno}: {error.msg}") from None
    build = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "build"), None)
    if build is None:
        raise UserError(f"{where} defines no build: add `def build(*, ...) -> Segmenter`")
    if build.args.args or build.args.posonlyargs:
        raise UserError(f"{where}: build takes keywords only; write `def build(*, ...)`")
    known = {a.arg for a in build.args.kwonlyargs}
    without = {a.arg for a, default in zip(build.args.kwonlyargs, build.args.kw_defaults, strict=True) if not default}
    choices: list[PluginFacts | Parameters] = [facts, *facts.profiles.values(), *facts.variants.values()]
    choices += [choice for variant in facts.variants.values() for choice in variant.profiles.values()]
    for choice in choices:
        for key in [*choice.train, *choice.evaluate]:
            if key not in known and build.args.kwarg is None:
                hint = nearest(key, known)
                raise UserError(f"plugins/{path.parent.name}/plugin.yaml: build knows no parameter '{key}'; {hint}")
        for key in choice.evaluate if facts.trained and facts.kind == "segmenter" else ():
            if key in without - facts.train.keys():
                raise UserError(f"{where}: give build a default for '{key}', which training does not pass to it")
