"""How the Snakefile hands a job its values: one canonical JSON, read into the stage's frozen model."""

import argparse
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import UserError, nearest

Model = TypeVar("Model", bound=BaseModel)


class Facts(BaseModel):
    """Base of all that is read from YAML or JSON: frozen, and unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def parse(model: type[Model], values: Any, where: str) -> Model:
    """Validate `values` as `model`; `UserError` naming the place, the key, the fault and the nearest known name."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        # A misspelt key is missing under its right name too: say what it may have meant.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "(top)"
        if first["type"] == "extra_forbidden":
            hint = nearest(str(first["loc"][-1]), _fields(model, first["loc"][:-1]))
            raise UserError(f"{where}: unknown key '{key}'; {hint}") from None
        found = "" if first["type"] == "missing" else f" (found {first['input']!r})"
        raise UserError(f"{where}: '{key}': {first['msg'].lower()}{found}") from None


def stage_parser(stage: str, description: str, job: type[BaseModel]) -> argparse.ArgumentParser:
    """The command line all stages share: `--job` and `--output`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m pipeline.{stage}",
        description=description,
        epilog=f"Keys of a job: {', '.join(job.model_fields)}. Snakemake writes the job; see `snakemake -n -p`.",
    )
    parser.add_argument("--job", metavar="JSON", help="the values of this job, as the Snakefile passes them")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the manifest (or file) to write, relative to here")
    return parser


def read_job(parser: argparse.ArgumentParser, model: type[Model], arguments: argparse.Namespace) -> Model:
    """The job of a command line; `UserError` where there is none, or none of this stage."""
    if arguments.job is None or arguments.output is None:
        raise UserError(f"--job and --output are missing: Snakemake gives them, see `{parser.prog} --help`")
    try:
        values = json.loads(arguments.job)
    except json.JSONDecodeError as error:
        raise UserError(f"--job is no JSON ({error}): copy it whole from `snakemake -n -p`") from None
    return parse(model, values, "--job")


def _fields(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    found: Any = model
    for part in path:
        field = found.model_fields.get(str(part)) if isinstance(found, type) and issubclass(found, BaseModel) else None
        inner = field.annotation if field else None
        arguments = [a for a in getattr(inner, "__args__", ()) if isinstance(a, type) and issubclass(a, BaseModel)]
        found = arguments[-1] if arguments else inner if inner is not None else found
    return list(found.model_fields) if isinstance(found, type) and issubclass(found, BaseModel) else []
