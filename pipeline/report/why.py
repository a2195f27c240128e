"""Why a row says what it says: the chain of recipes behind it, read from the manifests, back to the raw sources."""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UserError, nearest
from pipeline.manifest import Manifest, read_manifest
from pipeline.report.published import read_tsv
from pipeline.report.row import NOT_RUN
from pipeline.scores import read_scores

KEYS = (
    "system",
    "dataset",
    "split",
    "metric",
    "trained_on",
    "snapshot",
    "shots",
    "augmentation",
    "table",
    "protocol",
    "suite",
)
"""The columns whose fields select a row."""

Line = dict[str, str]


def select(lines: list[Line], words: list[str]) -> Line:
    """The one row that has every word in one of its key columns; a word may be `column=value`.

    `UserError` where no row, or more than one, is left; it names the columns in which those differ.
    """
    for word in words:
        if not any(_has(line, word) for line in lines):
            raise UserError(f"no row has '{word}'; {nearest(word, {line[key] for line in lines for key in KEYS})}")
    found = [line for line in lines if all(_has(line, word) for word in words)]
    if not found:
        raise UserError(f"no row has all of '{' '.join(words)}'; leave one of the words out")
    last = [line for line in found if not line["snapshot"]]
    if len(last) == 1:  # of snapshots, the last weights are meant where no word says otherwise
        return last[0]
    if len(found) > 1:
        raise UserError(f"{len(found)} rows match '{' '.join(words)}'; {_differences(found)}")
    return found[0]


def chain(table: Path, words: list[str]) -> Iterator[str]:
    """The lines to print for the row that `words` select in the table at `table` (results/all.tsv).

    Scores lie beside the table; manifests where the recipes say, relative to the project's folder.
    """
    if not table.is_file():
        raise UserError(f"{table} is missing: run snakemake, which makes it")
    lines = [line for _, line in read_tsv(table)]
    if not lines or not {*KEYS, "status"} <= lines[0].keys():
        raise UserError(f"{table} is no table of results: name one that snakemake made, results/all.tsv for example")
    line = select(lines, words)
    yield _headline(line)
    if line["status"] == NOT_RUN:
        return
    folders = _folders(table, line)
    found = [[path for path in sorted(folder.glob("seed*.json")) if _is_scores(path)] for folder in folders]
    paths = found[0] if len(found) == 1 else [paths[seed] for seed, paths in enumerate(found) if seed < len(paths)]
    if not paths:
        raise UserError(f"{folders[0]} holds no scores behind this row: run snakemake, or 'dvc pull' after a clone")
    seen: set[str] = set()
    for path in paths:
        scores = read_scores(path)
        facts = {"status": scores.status, "weights": scores.weights, "complete": scores.complete, "code": scores.code}
        yield from _node("scores", path.as_posix(), facts, scores.recipe, 0)
        for name, digest in scores.inputs.items():
            yield from _product(name, digest, 1, seen)


def _product(path: str, recorded: str | None, depth: int, seen: set[str]) -> Iterator[str]:
    indent = "  " * depth
    if path in seen:
        yield f"{indent}{path} (as above)"
        return
    seen.add(path)
    if not Path(path).exists():
        yield f"{indent}{path} {recorded} (its manifest is not here: run snakemake, or 'dvc pull')"
        return
    manifest = read_manifest(Path(path))
    yield from _node(manifest.kind, path, _facts(manifest, recorded), manifest.recipe, depth)
    for name, digest in manifest.inputs.items():
        yield from _product(name, digest, depth + 1, seen)


def _facts(manifest: Manifest, recorded: str | None) -> dict[str, Any]:
    digest = manifest.digest or "none"
    if manifest.digest != recorded:
        digest += f", but {recorded} when the product above was made: run snakemake"
    facts: dict[str, Any] = {"digest": digest, "complete": manifest.complete, "code": manifest.code}
    if not manifest.available:
        facts["available"] = False
    return {**facts, "counts": manifest.counts, **manifest.notes}


def _node(kind: str, path: str, facts: dict[str, Any], recipe: dict[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    yield f"{indent}{kind} {path}"
    for key, value in _flat({**facts, "recipe": recipe}, ""):
        text = f"{key} = {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        lines = textwrap.wrap(text, 116, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        yield from (f"{indent}  | {part}" for part in lines)


def _flat(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Nested facts as dotted names, without those that say nothing."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None and value != []:
            yield f"{prefix}{key}", value


def _folders(table: Path, line: Line) -> list[Path]:
    """Folders of the scores of the row's weights, as many as it names snapshots: the last ones where it names none."""
    trained_on = line["trained_on"] or "none"
    percents = re.findall(r"(\d+)%", line["snapshot"]) or ["100"]
    weights = [trained_on if percent == "100" else f"{trained_on}-at{percent}" for percent in percents]
    above = table.parent / "scores" / line["profile"] / line["system"]
    return [above / name / f"{line['dataset']}-{line['split']}" / line["augmentation"] for name in weights]


def _headline(line: Line) -> str:
    number = f"{line['value']} [{line['ci_low']}, {line['ci_high']}]" if line["value"] else "no number"
    published = f"; published {line['published']} ({line['table']})" if line["published"] else ""
    subset = " (on a subset or on sample data)" if line["complete"] == "false" else ""
    what = f"{line['system']} on {line['dataset']}/{line['split']}, {line['metric']}"
    return f"{what}: {number}{published}; {line['status']}{subset}; profile {line['profile']}, budget {line['budget']}"


def _has(line: Line, word: str) -> bool:
    return any(word in (line[key], f"{key}={line[key] or 'none'}", f"{key}={line[key]}") for key in KEYS)


def _is_scores(path: Path) -> bool:
    return not path.name.endswith(".timing.json")


def _differences(lines: list[Line]) -> str:
    values = {key: sorted({line[key] for line in lines}) for key in KEYS}
    parts = [f"{key} ({', '.join(v or 'none' for v in values[key])})" for key in KEYS if len(values[key]) > 1]
    return f"add a word; they differ in {'; '.join(parts)}" if parts else "the table holds a row twice"
