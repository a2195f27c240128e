"""Mirrors: a folder or an http(s) address with a `mirror.yaml`, whose archives stand in for the official ones."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import requests
import yaml
from pydantic import Field

from pipeline.download.checksum import MismatchError, verify
from pipeline.download.fetch import FetchError, Patience, fetch
from pipeline.download.sources import RelativePath, SourceFile
from pipeline.download.unpack import unpack_kind
from pipeline.errors import UserError, nearest
from pipeline.job import Facts, parse


class MirrorFile(Facts):
    """One file of a mirror, held to its own size and hash: mirrors pack anew, so official checksums do not apply."""

    file: RelativePath
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class MirrorEntry(Facts):
    """What a mirror has of one source."""

    complete: bool
    """False for a subset; everything computed on it says so."""
    note: str = ""
    over: str | None = None
    """The source whose archives are unpacked first, and these over them."""
    files: tuple[MirrorFile, ...]


class Mirror:
    """An opened mirror."""

    def __init__(self, place: str, known: Collection[str], patience: Patience | None = None) -> None:
        """Read `place`/mirror.yaml, whose keys must be among `known`; `UserError` where it is missing or malformed."""
        self.place = place.rstrip("/")
        self.remote = place.startswith(("http://", "https://"))
        self._patience = patience or Patience()
        self._table = f"{self.place}/mirror.yaml"
        self.entries = self._entries(known)

    def layers(self, source: str) -> list[MirrorEntry]:
        """What makes up `source`, in the order of unpacking; empty where the mirror does not have it."""
        found: list[MirrorEntry] = []
        seen: list[str] = []
        key: str | None = source if source in self.entries else None
        while key is not None:
            if key not in self.entries or key in seen:
                hint = "laid over itself" if key in seen else nearest(key, self.entries)
                raise UserError(f"{self._table}: '{seen[-1]}' lies over '{key}', which the mirror cannot give; {hint}")
            seen.append(key)
            found.insert(0, self.entries[key])
            key = self.entries[key].over
        return found

    def where(self, file: MirrorFile) -> str:
        """The file's path or address."""
        return f"{self.place}/{file.file}"

    def get(self, file: MirrorFile, folder: Path) -> Path:
        """The verified file: as it lies in a mirror folder, or fetched into `folder`; `UserError` where it is wrong."""
        where = self.where(file)
        if self.remote:
            target = folder / file.file
            target.parent.mkdir(parents=True, exist_ok=True)
            wanted = SourceFile(
                file=target.name,
                urls=(where,),
                bytes=file.bytes,
                checksum=f"sha256:{file.sha256}",
                unpack=unpack_kind(file.file),
            )
            try:
                fetch(wanted, target, self._patience)
            except FetchError as error:
                raise UserError(f"the mirror {self.place} does not give {file.file}: {error}") from None
            return target
        try:
            verify(Path(where), file.bytes, f"sha256:{file.sha256}")
        except FileNotFoundError:
            message = f"the mirror lacks {where}, which its mirror.yaml lists"
            raise UserError(f"{message}: complete the mirror, or take the entry out") from None
        except MismatchError as error:
            raise UserError(f"{where} is not what its mirror.yaml says ({error}): copy the mirror anew") from None
        return Path(where)

    def _entries(self, known: Collection[str]) -> dict[str, MirrorEntry]:
        try:
            rows = yaml.safe_load(self._read())
        except yaml.YAMLError as error:
            raise UserError(f"{self._table} is no YAML: {error}") from None
        if not isinstance(rows, dict):
            raise UserError(f"{self._table} must map names of sources to their entries")
        for name in rows:
            if name not in known:
                raise UserError(f"{self._table}: unknown source '{name}'; {nearest(str(name), known)}")
        return {name: parse(MirrorEntry, row, f"{self._table}: source '{name}'") for name, row in rows.items()}

    def _read(self) -> str:
        if not self.remote:
            try:
                return Path(self._table).read_text()
            except OSError as error:
                hint = "set mirror (or GLIMPSE_MIRROR) to a folder or address that holds one"
                raise UserError(f"cannot read {self._table} ({error.strerror}): {hint}") from None
        try:
            answer = requests.get(self._table, timeout=(self._patience.connect, self._patience.read))
            answer.raise_for_status()
        except requests.RequestException as error:
            raise UserError(f"cannot read {self._table} ({type(error).__name__}): check the setting mirror") from None
        return answer.text
