"""Why a split is not there: no such data set or split, not rendered yet, or rendered under another profile."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from pipeline.errors import UserError, nearest
from pipeline.plan import Plan
from pipeline.settings import PROFILES, load_settings
from pipeline.suite import Suite, load_suites

PARAMS = Path("params.yaml")
EPISODES = Path("data/episodes")
"""Where stores lie, by profile."""


def choose_profile(asked: str | None) -> str:
    """The profile asked for, or else the one that params.yaml names; `UserError` where there is no such profile."""
    if asked is None:
        return load_settings(PARAMS, {}).profile
    if asked not in PROFILES:
        raise UserError(f"unknown profile '{asked}'; {nearest(asked, PROFILES)}")
    return asked


def manifest_path(profile: str, dataset: str, split: str) -> Path:
    """Where the manifest of a rendered split lies."""
    return EPISODES / profile / dataset / f"{split}.json"


def explain(profile: str, dataset: str, split: str) -> NoReturn:
    """Raise the `UserError` that says why the split is not there, and what to do about it."""
    plans = {name: Plan(load_settings(PARAMS, {"profile": name})) for name in PROFILES}
    made: dict[str, set[str]] = {name: set(plan.outputs("render")) for name, plan in plans.items()}
    there = _on_disk(profile)
    datasets = {Path(path).parent.name for paths in made.values() for path in paths} | there.keys()
    if dataset not in datasets:
        raise UserError(f"unknown data set '{dataset}'; {nearest(dataset, datasets)}")
    suites = load_suites(load_settings(PARAMS, {"profile": profile}))
    splits = _splits(dataset, suites) | there.get(dataset, set())
    if split not in splits:
        raise UserError(f"the data set '{dataset}' has no split '{split}'; {nearest(split, splits)}")
    _not_rendered(profile, dataset, split, made)


def _not_rendered(profile: str, dataset: str, split: str, made: Mapping[str, set[str]]) -> NoReturn:
    asked = f"{dataset}/{split}"
    paths = {name: manifest_path(name, dataset, split) for name in (profile, *PROFILES)}
    there = [name for name, path in paths.items() if path.exists()]
    instead = f"; under {there[0]} it is: add --profile {there[0]}" if there else ""
    # What no track uses can be rendered by name all the same, under the profile asked for.
    name = next((name for name, path in paths.items() if path.as_posix() in made[name]), profile)
    command = f"snakemake --cores all {paths[name]}"
    command += f" --config profile={name}" if name != choose_profile(None) else ""
    more = f", then add --profile {name}" if name != profile else ""
    raise UserError(f"{asked} is not rendered under {profile}: run `{command}`{more}{instead}")


def _splits(dataset: str, suites: Mapping[str, Suite]) -> set[str]:
    """Splits that the suites describe for a data set, with those of its oracle data; levels in braces match any."""
    return {
        name
        for suite in suites.values()
        for pattern, facts in suite.datasets.items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[a-z0-9]+", pattern), dataset)
        for split in facts.splits
        for name in (split, *(f"{split}-{oracle}" for oracle in facts.oracles))
    }


def _on_disk(profile: str) -> dict[str, set[str]]:
    """Splits by data set that are rendered under a profile, with whatever settings."""
    found: dict[str, set[str]] = {}
    for path in (EPISODES / profile).glob("*/*.json"):
        if not path.name.endswith(".timing.json"):
            found.setdefault(path.parent.name, set()).add(path.stem)
    return found
