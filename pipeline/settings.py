"""params.yaml as a frozen typed model: the one place that reads settings, for the Snakefile alone."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from pipeline.errors import UserError, nearest
from pipeline.job import Facts, parse

Profile = Literal["sample", "lite", "paper"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
Precision = Literal["float32", "bfloat16", "float16"]
LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml reads ten times as fast, which matters to a dry run; not every build of PyYAML has it."""


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value if isinstance(value, list | tuple) else [value]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is named more than once, and would count as often; name it once")
    return values


_SOME, _TEXT, _ONCE = Field(min_length=1), BeforeValidator(_listed), AfterValidator(_distinct)
Names = Annotated[tuple[str, ...], _TEXT, _SOME, _ONCE]
Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], _TEXT, _SOME, _ONCE]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], _TEXT, _SOME, _ONCE]
Folds = Annotated[tuple[Annotated[int, Field(ge=0, le=3)], ...], _TEXT, _SOME, _ONCE]


class Settings(Facts):
    """All settings, resolved for one profile; params.yaml says what each is for."""

    profile: Profile
    budget: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    suites: Names
    systems: Names
    mirror: str
    seeds: Seeds
    episodes: Annotated[int, Field(ge=1)] | None
    pictures: Annotated[int, Field(ge=0)]
    bootstrap: Annotated[int, Field(ge=10)]
    clutter_levels: Counts
    texture_regions: Counts
    texture_patches: Counts
    texture_characters: Counts
    texture_trainings: Counts
    texture_classes: str
    pascal_folds: Folds
    pascal_missing: Literal["skip", "fail"]
    pascal_masks: str
    pascal_masks_shots: Counts
    alexnet_771: bool
    coco_folds: Folds
    runs: Annotated[int, Field(ge=1)]
    device: Literal["auto", "cpu", "cuda"]
    precision: Precision
    evaluation_precision: Precision
    threads: Annotated[int, Field(ge=1)]
    image_cache: Annotated[int, Field(ge=0)]
    feature_cache: Annotated[int, Field(ge=0)]
    side_by_side: Annotated[int, Field(ge=1)]
    timed: Annotated[int, Field(ge=0)]
    timed_seconds: Annotated[float, Field(gt=0)]
    weights: Literal["auto", "pretrained", "scratch"]
    compile: bool
    ranks: Annotated[int, Field(ge=1)]
    stream: bool

    def scaled(self, count: int, least: int = 1) -> int:
        """`count` samples or episodes under the budget, at least `least` (or `count`, if that is smaller)."""
        return max(round(count * self.budget), min(least, count))

    @property
    def origin(self) -> Literal["sample", "real"]:
        """Where raw data come from: generated, or downloaded."""
        return "sample" if self.profile == "sample" else "real"


def by_profile(value: Any, profile: Profile) -> Any:
    """The value of one profile, where `value` is a mapping of all three; else `value` itself."""
    if isinstance(value, Mapping) and set(value) == set(PROFILES):
        return value[profile]
    return value


def load_settings(path: Path, overrides: Mapping[str, Any]) -> Settings:
    """Read `path` for the profile in force, with `overrides` (Snakemake's --config) before it.

    Raises `UserError` for an unknown key (naming the nearest right one), an unknown profile or a value out of range.
    """
    written = read_yaml(path)
    for key in overrides:
        if key not in Settings.model_fields:
            raise UserError(f"--config: unknown setting '{key}'; {nearest(key, Settings.model_fields)}")
    profile = overrides.get("profile", written.get("profile"))
    if profile not in PROFILES:
        raise UserError(f"unknown profile '{profile}'; {nearest(str(profile), PROFILES)}")
    values = {key: by_profile(value, profile) for key, value in written.items()}
    for key, value in values.items():
        if isinstance(value, Mapping):
            raise UserError(
                f"{path}: '{key}' names {', '.join(map(str, value))}; it needs {', '.join(PROFILES)}, or a value"
            )
    where = f"{path} or --config" if overrides else str(path)
    return parse(Settings, values | {key: _typed(value) for key, value in overrides.items()}, where)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; `UserError` naming line and fault where it is malformed."""
    try:
        value = yaml.load(path.read_text(), LOADER)
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is malformed: {error}; correct its YAML") from None
    if not isinstance(value, dict):
        raise UserError(f"{path} must hold a mapping of keys to values, not {type(value).__name__}")
    return value


def _typed(value: Any) -> Any:
    """Snakemake hands over some values as text: `null`, `true` and numbers get their types back."""
    return yaml.safe_load(value) if isinstance(value, str) and "," not in value and value else value
