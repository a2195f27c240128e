"""A real source: from the mirror where it has it, otherwise from the network."""

from pathlib import Path

from pipeline.download.fetch import FetchError, fetch
from pipeline.download.job import DownloadJob, Entry, Outcome
from pipeline.download.mirror import Mirror
from pipeline.download.sources import read_sources
from pipeline.download.unpack import ArchiveError, Kind, unpack, unpack_kind
from pipeline.errors import UserError
from pipeline.manifest import canonical, digest_text


def make(job: DownloadJob, staged: Path, work: Path, mirror: str) -> Outcome:
    """Bring the source into the folder `staged`; `work` keeps partial and finished archives.

    Finished archives stay in `work`, so that a repeated job fetches nothing. A source that is `optional` and cannot
    be had is an outcome, not an error.
    """
    if job.entry is None:
        raise UserError(f"the job of '{job.source}' has no entry of the table: let Snakemake write it")
    if mirror:
        opened = Mirror(mirror, mirror_keys())
        if opened.layers(job.entry.mirror or job.source):
            return _from_mirror(job.entry.mirror or job.source, opened, staged, work)
    try:
        return _from_network(job.entry, staged, work)
    except FetchError as error:
        if not job.entry.optional:
            raise UserError(
                f"cannot download '{job.source}': {error}; try again, or set mirror to a folder that has it"
            ) from None
        print(f"'{job.source}' is optional and cannot be had: {error}", flush=True)
        (staged / "UNAVAILABLE").write_text(f"{error}\n")  # DVC keeps no empty folder: a clone would try again
        return Outcome(digest=None, complete=False, available=False, notes={"origin": "none", "reason": str(error)})


def mirror_keys() -> set[str]:
    """Every key that a mirror.yaml may have."""
    return {source.mirror or name for name, source in read_sources().items()}


def _from_mirror(key: str, mirror: Mirror, staged: Path, work: Path) -> Outcome:
    layers = mirror.layers(key)
    files: dict[str, str] = {}
    for file in (file for layer in layers for file in layer.files):
        archive, kind = mirror.get(file, work / "mirror"), unpack_kind(file.file)
        _unpack(archive, staged, kind, work)
        files[archive.name if kind == "none" else file.file] = file.sha256
    notes = {"origin": "mirror", "files": files, "first_use": [], "note": layers[-1].note}
    return Outcome(_digest(files), complete=all(layer.complete for layer in layers), notes=notes)


def _from_network(entry: Entry, staged: Path, work: Path) -> Outcome:
    if not entry.files:
        raise FetchError("no official link is known, only a mirror can have it")
    folder = work / "network"
    folder.mkdir(exist_ok=True)
    files = {file.file: fetch(file, folder / file.file) for file in entry.files}
    for file in entry.files:
        _unpack(folder / file.file, staged, file.unpack, work)
    first_use = [file.file for file in entry.files if file.checksum is None]
    notes = {"origin": "network", "files": files, "first_use": first_use}
    return Outcome(_digest(files), complete=True, notes=notes)


def _unpack(archive: Path, staged: Path, kind: Kind, work: Path) -> None:
    print(f"unpacking {archive.name}" if kind != "none" else f"taking {archive.name}", flush=True)
    try:
        unpack(archive, staged, kind)
    except ArchiveError as error:
        if not archive.is_relative_to(work):
            raise UserError(f"{error}: mend the mirror") from None
        archive.unlink()
        raise UserError(f"{error}: it is deleted, the same command fetches it anew") from None


def _digest(files: dict[str, str]) -> str:
    """Over the archives' hashes: the unpacked trees are large, and follow from these."""
    return digest_text(canonical(files))
