"""Manifests: the small JSON beside each product that says what it is and which recipe made it.

Downstream jobs depend on the manifest, which Snakemake compares by content, and never on the product itself.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import UserError


class Manifest(BaseModel):
    """What a product is: digest, counts and recipe, free of dates, seconds and machine names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["source", "store", "gallery", "stream", "model", "pairs", "scores"]
    digest: str | None
    """`sha256:...` over the product's files, or None where there is no product (`available` is false)."""
    counts: dict[str, int] = {}
    recipe: dict[str, Any]
    """The job's JSON as the Snakefile passed it."""
    code: str
    """Digest of the import closure that made it (`closure.code_digest`)."""
    inputs: dict[str, str | None] = {}
    """Path of each input's manifest -> its digest."""
    complete: bool = True
    """False when the source behind it is a subset, so that its scores are not comparable with published ones."""
    available: bool = True
    notes: dict[str, Any] = {}
    """Outcomes worth a column or a line in the report: the trunk's weights, where a source came from, a reason."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no blanks: equal values have equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_text(text: str) -> str:
    """`sha256:...` of a text."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """`sha256:...` of a file's bytes."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def digest_tree(folder: Path) -> str:
    """`sha256:...` over the relative names and bytes of all files below `folder`, in name order.

    Snakemake's own `.snakemake_timestamp` does not count.
    """
    total = hashlib.sha256()
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    for name in sorted(files):
        if files[name].name != ".snakemake_timestamp":
            total.update(f"{name}\0{digest_file(files[name])}\n".encode())
    return "sha256:" + total.hexdigest()


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; `UserError` where it is missing or was not written by this project."""
    try:
        return Manifest.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing: run snakemake, which makes it and what it describes") from None
    except ValidationError as error:
        remedy = "name another file, or, if it is one of ours, delete it and run snakemake"
        raise UserError(f"{path} is no manifest ({error.errors()[0]['msg']}): {remedy}") from None


def input_digests(paths: Iterable[Path]) -> dict[str, str | None]:
    """Path -> digest of each input's manifest."""
    return {path.as_posix(): read_manifest(path).digest for path in paths}


def output_folder(path: Path) -> Path:
    """The folder that `--output` names, made before any work is done for it; `UserError` where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror}): choose another folder for --output") from None
    return path


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write beside, then rename: a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        beside.write_bytes(data if isinstance(data, bytes) else data.encode())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write indented, sorted JSON atomically."""
    write_atomic(path, json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def publish(staged: Path, product: Path, manifest: Manifest) -> None:
    """Move the finished folder or file `staged` to `product`, then write its manifest beside it.

    The manifest comes last, so whoever sees it sees a whole product.
    """
    product.parent.mkdir(parents=True, exist_ok=True)
    if product.is_dir():
        shutil.rmtree(product)
    try:
        staged.replace(product)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = product.with_name(f".{product.name}.partial")  # work/ and the product lie on different disks
        shutil.rmtree(beside, ignore_errors=True)
        shutil.move(staged, beside)
        beside.replace(product)
    write_json(manifest_of(product), manifest.model_dump())


def manifest_of(product: Path) -> Path:
    """The manifest beside a product: `train.zarr` and the folder `train` both have `train.json`."""
    return product.with_suffix(".json") if product.suffix else product.with_name(product.name + ".json")
