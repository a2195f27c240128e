"""The table of sources, `sources.yaml`, as frozen typed models."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field

from pipeline.errors import UserError
from pipeline.job import Facts, parse

TABLE = Path(__file__).with_name("sources.yaml")


def _inside(name: str) -> str:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        raise ValueError("must be a relative path without '..'")
    return name


RelativePath = Annotated[str, AfterValidator(_inside)]
"""A path with `/` that cannot leave the folder it is relative to."""

FileName = Annotated[str, Field(pattern=r"^\w[^/\\]*$")]
"""A name without folders."""

Checksum = Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|sha256-prefix:[0-9a-f]{8,63})$")]
"""A published checksum; `sha256-prefix` is the part of the hash that PyTorch writes into its file names."""


class SourceFile(Facts):
    """One file to fetch."""

    file: FileName
    """Its name, and where it is not unpacked its name in the source's folder."""
    urls: tuple[str, ...]
    """Official links in order of preference."""
    bytes: Annotated[int, Field(gt=0)] | None
    checksum: Checksum | None
    """None where nobody published one: the size is checked and the hash recorded on first use."""
    unpack: Literal["zip", "tar", "none"]


class Entry(Facts):
    """What fetching a source depends on; a corrected title or citation fetches nothing anew."""

    files: tuple[SourceFile, ...]
    optional: bool
    """Whether the pipeline goes on without it: its manifest then says `available: false` and why."""
    mirror: str = ""
    """Its key in a mirror.yaml, where that is not the source's own name."""


class Source(Entry):
    """A whole row of the table."""

    title: str
    licence: str
    citation: str


def read_sources(path: Path = TABLE) -> dict[str, Source]:
    """Source name -> its row, in the order of the table; `UserError` for a row that breaks the form."""
    rows = yaml.safe_load(path.read_text())
    if not isinstance(rows, dict):
        raise UserError(f"{path} must map names of sources to their rows")
    return {str(name): parse(Source, row, f"{path.name}: source '{name}'") for name, row in rows.items()}
