"""One file from the network: resumed where it stopped, tried again, verified, and kept only when it is right."""

import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3

from pipeline.download.checksum import MismatchError, verify
from pipeline.download.progress import Progress, megabytes
from pipeline.download.sources import SourceFile
from pipeline.errors import UserError
from pipeline.manifest import write_json

_CHUNK = 1 << 16
_WORTH_A_RETRY = {408, 425, 429}


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, in seconds, and how often to come back."""

    connect: float = 10.0
    read: float = 60.0
    rounds: int = 4
    """Rounds over all links that may end without a byte of progress."""
    pause: float = 1.0
    """Before the second such round; doubled for each further one."""


class FetchError(Exception):
    """No link gave the file; the message says why, link by link."""


class _InterruptedError(Exception):
    """This link may do better next time."""


class _RefusedError(Exception):
    """This link does not have the file."""


def fetch(file: SourceFile, target: Path, patience: Patience | None = None) -> str:
    """Bring `file` to the path `target` and return its sha256; `FetchError` where no link gives it.

    What has come so far waits in `<target>.part` and is continued by the next call, also of another process. Bytes
    that fail verification are deleted. A `target` that is there is verified and kept.
    """
    if target.exists():
        try:
            return verify(target, file.bytes, file.checksum)
        except MismatchError:
            target.unlink()
    patience = patience or Patience()
    part = target.with_name(target.name + ".part")
    links, reasons, fruitless, spoiled = list(file.urls), dict[str, str](), 0, False
    while links and fruitless < patience.rounds:
        if fruitless:
            time.sleep(patience.pause * 2 ** (fruitless - 1))
        before = _size(part)
        for url in list(links):
            try:
                _transfer(url, file, part, patience)
                sha256 = verify(part, file.bytes, file.checksum)
            except _RefusedError as error:
                reasons[url] = str(error)
                links.remove(url)
            except _InterruptedError as error:
                reasons[url] = str(error)
            except MismatchError as error:
                reasons[url], spoiled = f"gives {error}", True
                _discard(part)
            else:
                part.replace(target)
                _discard(part)
                return sha256
            print(f"{file.file}: {url} {reasons[url]}", flush=True)
        # Wrong bytes are no progress, however many: after them every round counts, so that the rounds have an end.
        fruitless = 0 if _size(part) > before and not spoiled else fruitless + 1
    raise FetchError("; ".join(f"{url} {why}" for url, why in reasons.items()) or "no official link is known")


def _transfer(url: str, file: SourceFile, part: Path, patience: Patience) -> None:
    """Continue `part` from one link until the server says that it is whole; never beyond that."""
    have, tag = _resumable(url, file, part)
    if file.bytes is not None and have == file.bytes:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    if have and tag:
        headers["If-Range"] = tag
    try:
        timeouts = (patience.connect, patience.read)
        with requests.get(url, headers=headers, stream=True, timeout=timeouts) as response:
            if have and response.status_code == 416 and response.headers.get("Content-Range") == f"bytes */{have}":
                return  # nothing is missing
            start, total = _placement(response, have, file, part)
            _check_room(file, part, (total or 0) - start)
            limit = file.bytes if total is None else total
            if start == 0:
                write_json(_note(part), {"url": url, "tag": _strong_tag(response)})
            with part.open("ab" if start else "wb") as out, Progress(file.file, start, total) as progress:
                for chunk in response.raw.stream(_CHUNK, decode_content=False):
                    out.write(chunk)
                    progress.add(len(chunk))
                    if limit is not None and out.tell() > limit:
                        raise MismatchError(f"more than {limit} bytes")
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _InterruptedError(reason(error)) from None
    if total is not None and _size(part) != total:
        raise _InterruptedError(f"ends after {_size(part)} of {total} bytes")


def _placement(response: requests.Response, have: int, file: SourceFile, part: Path) -> tuple[int, int | None]:
    """Where the body starts in the file and how long the file is, from status and headers; or why there is none.

    A server may ignore the range (200), or lie about it: then the partial file goes, and the next try starts at 0.
    """
    status = response.status_code
    stated = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if status == 200:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        if file.bytes is not None and total not in (None, file.bytes):
            raise _RefusedError(f"announces {total} bytes instead of {file.bytes}")
        return 0, total
    if status == 206 and stated and stated[1] == str(have):
        total = None if stated[2] == "*" else int(stated[2])
        if file.bytes is None or total in (None, file.bytes):
            return have, total
    if status in (206, 416):
        _discard(part)
        raise _InterruptedError(f"does not continue at byte {have}")
    if status >= 500 or status in _WORTH_A_RETRY:
        raise _InterruptedError(f"answers {status} {response.reason}")
    raise _RefusedError(f"answers {status} {response.reason}")


def _resumable(url: str, file: SourceFile, part: Path) -> tuple[int, str]:
    """How many bytes can be continued from this link, and the tag that says whether the file changed meanwhile.

    Without a checksum to hold the pieces together, only the link that began a file may continue it.
    """
    try:
        note: dict[str, Any] = json.loads(_note(part).read_text())
    except (FileNotFoundError, ValueError):
        note = {}
    same = note.get("url") == url
    if (file.checksum is None and not same) or (file.bytes is not None and _size(part) > file.bytes):
        _discard(part)
    return _size(part), note.get("tag", "") if same else ""


def _check_room(file: SourceFile, part: Path, need: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if need > free:
        message = f"{file.file} needs {megabytes(need)} more and the disk of {part.parent} has {megabytes(free)} left"
        raise UserError(f"{message}: free some space and run the same command again, nothing is lost")


def _strong_tag(response: requests.Response) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else ""


def reason(error: Exception) -> str:
    """What a failed request means, after the link's name: `... does not answer in time`."""
    text = str(error)
    if "NameResolution" in text or "getaddrinfo" in text:
        return "cannot be resolved (no network?)"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError) or "timed out" in text:
        return "does not answer in time"
    return f"breaks off ({type(error).__name__})"


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)
