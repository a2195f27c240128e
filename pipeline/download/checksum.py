"""Is a file the one that was published? By its size, and by a checksum where there is one."""

import hashlib
from pathlib import Path

_CHUNK = 1 << 20


class MismatchError(Exception):
    """A file's bytes are not the published ones; the message says what was found and what was expected."""


def verify(path: Path, size: int | None, checksum: str | None) -> str:
    """The file's sha256 (64 hex digits), after its size and its `md5:`, `sha256:` or `sha256-prefix:` checksum held.

    None stands for what nobody published; `MismatchError` where a published fact does not hold.
    """
    found = path.stat().st_size
    if size is not None and found != size:
        raise MismatchError(f"{found} bytes instead of {size}")
    kind, _, expected = (checksum or "sha256-prefix:").partition(":")
    hashes = {"sha256": hashlib.sha256()} | ({"md5": hashlib.md5(usedforsecurity=False)} if kind == "md5" else {})
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            for each in hashes.values():
                each.update(chunk)
    actual = hashes[kind.removesuffix("-prefix")].hexdigest()
    if not (actual.startswith(expected) if kind == "sha256-prefix" else actual == expected):
        raise MismatchError(f"{kind} {actual[: len(expected)]} instead of {expected}")
    return hashes["sha256"].hexdigest()
