"""`--check`: for every source, whether its links answer and what would be fetched from where. Fetches nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import requests

from pipeline.download.fetch import reason
from pipeline.download.mirror import Mirror
from pipeline.download.progress import megabytes
from pipeline.download.real import mirror_keys
from pipeline.download.sources import Source, SourceFile, read_sources

_TIMEOUTS = (3.0, 5.0)
_AT_ONCE = 16


def check(place: str) -> None:
    """Print two columns, one line a file: `source/file`, and what is known of it. A dead link is news, not an error."""
    sources = read_sources()
    mirror = Mirror(place, mirror_keys()) if place else None
    links = {url for source in sources.values() for file in source.files for url in file.urls}
    if mirror and mirror.remote:
        links |= {mirror.where(file) for entry in mirror.entries.values() for file in entry.files}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = dict(zip(sorted(links), pool.map(_ask, sorted(links)), strict=True))
    lines = [line for name, source in sources.items() for line in _lines(name, source, mirror, answers)]
    width = max(len(left) for left, _ in lines)
    print("\n".join(f"{left:<{width}}  {right}" for left, right in lines))


def _lines(name: str, source: Source, mirror: Mirror | None, answers: dict[str, str]) -> Iterator[tuple[str, str]]:
    layers = mirror.layers(source.mirror or name) if mirror else []
    share = "complete" if all(layer.complete for layer in layers) else "a subset"
    for copy in (file for layer in layers for file in layer.files):
        assert mirror is not None
        where = mirror.where(copy)
        state = answers[where] if mirror.remote else ("is there" if Path(where).is_file() else "IS MISSING")
        yield f"{name}/{Path(copy.file).name}", f"mirror: {state}, {megabytes(copy.bytes)}, sha256 known, {share}"
    for file in source.files:
        wish = "official, not needed: " if layers else "network: "
        yield f"{name}/{file.file}", wish + _official(file, answers)
    if not layers and not source.files:
        yield name, "no official link: only a mirror can have it"


def _official(file: SourceFile, answers: dict[str, str]) -> str:
    kind = (
        file.checksum.partition(":")[0] + " known" if file.checksum else "no published checksum (recorded on first use)"
    )
    links = ", ".join(f"{urlsplit(url).hostname} {answers[url]}" for url in file.urls)
    return f"{links}; {megabytes(file.bytes)}, {kind}"


def _ask(url: str) -> str:
    try:
        with requests.head(url, timeout=_TIMEOUTS, allow_redirects=True) as response:
            return "answers" if response.ok else f"answers {response.status_code} {response.reason}"
    except requests.RequestException as error:
        return reason(error)
