"""Archives unpacked safely: nothing leaves the target, no links, no devices, no more than the disk can hold."""

import io
import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

from pipeline.errors import UserError

Kind = Literal["zip", "tar", "none"]
_CHUNK = 1 << 20
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    RuntimeError,  # a password, or a compression that zipfile does not know
    FileExistsError,  # one name for a file and a folder
    IsADirectoryError,
    NotADirectoryError,
)
Member = tuple[str, int, IO[bytes] | None]
"""Name, size when unpacked, and an open stream (None for a folder)."""


class ArchiveError(UserError):
    """An archive that is corrupt, or that no honest publisher would make."""


def unpack_kind(name: str) -> Kind:
    """How a file of this name is unpacked."""
    if name.endswith(".zip"):
        return "zip"
    return "tar" if re.search(r"\.(tar(\.(gz|bz2|xz))?|tgz)$", name) else "none"


def unpack(archive: Path, target: Path, kind: Kind) -> None:
    """Unpack `archive` into the folder `target`, over what is there; a file of kind `none` is copied into it.

    Members may be files and folders below `target`; their modes and times are not taken over. `ArchiveError` for
    anything else and for a corrupt archive, `UserError` before the first file that the disk cannot hold.
    """
    target.mkdir(parents=True, exist_ok=True)
    if kind == "none":
        shutil.copyfile(archive, target / archive.name)
        return
    try:
        with archive.open("rb") as file:
            _write(archive, target, _zip_members(archive, file) if kind == "zip" else _tar_members(archive, file))
    except _BROKEN as error:
        raise ArchiveError(f"the archive {archive} is corrupt ({error or type(error).__name__})") from None
    except OSError as error:
        if error.errno is None:  # gzip's and bzip2's own: the data make no sense
            raise ArchiveError(f"the archive {archive} is corrupt ({error})") from None
        raise


def _write(archive: Path, target: Path, members: Iterator[Member]) -> None:
    room = shutil.disk_usage(target).free
    for name, size, stream in members:
        path = target.joinpath(*_parts(archive, name))
        if stream is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        room -= size
        if room < 0:
            free = shutil.disk_usage(target).free
            message = f"the archive {archive} holds more than the disk can take ({free:,} bytes are left)"
            raise UserError(f"{message}: free some space and run the same command again")
        path.parent.mkdir(parents=True, exist_ok=True)
        with stream, path.open("wb") as out:
            shutil.copyfileobj(stream, out, _CHUNK)


def _parts(archive: Path, name: str) -> list[str]:
    """The folders and the file of a member's name, which may be written with either slash."""
    parts = re.split(r"[/\\]", name)
    if not name or parts[0] == "" or ".." in parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
        raise ArchiveError(f"the archive {archive} holds a path outside its folder ('{name}'): do not trust its origin")
    return [part for part in parts if part not in ("", ".")]


def _zip_members(archive: Path, file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as opened:
        for info in opened.infolist():
            if info.external_attr >> 28 not in (0, 0o4, 0o10):  # the file type of Unix: none, folder, file
                raise ArchiveError(f"the archive {archive} holds a link or a device ('{info.filename}')")
            folder = info.is_dir() or info.filename.endswith("\\")
            yield info.filename, info.file_size, None if folder else opened.open(info)


def _tar_members(archive: Path, file: IO[bytes]) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r:*") as opened:
        for member in opened:
            if not (member.isreg() or member.isdir()) or member.size < 0:
                raise ArchiveError(f"the archive {archive} holds a link or a device ('{member.name}')")
            yield member.name, member.size, opened.extractfile(member)
        rest = opened.fileobj
        while isinstance(rest, io.BufferedIOBase) and rest.read(_CHUNK):
            pass  # to the end, where the compressed stream's own checksum stands
