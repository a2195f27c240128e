"""The command: what it publishes, and that a kill, a full disk or a bad archive leaves nothing half-made."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from download.conftest import Server
from download.test_unpack import tree, zipped

from pipeline.download.__main__ import download
from pipeline.download.job import DownloadJob, Entry
from pipeline.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = Path("data/raw/real/toy.json")
BODY = np.random.default_rng(1).bytes(400_000)


def toy(server: Server, body: bytes, *, optional: bool = False, **facts: Any) -> DownloadJob:
    server.files["/toy.zip"] = body
    file = {"file": "toy.zip", "urls": [server.url + "/toy.zip"], "bytes": None, "checksum": None, "unpack": "zip"}
    entry = Entry.model_validate({"files": [file | facts], "optional": optional})
    return DownloadJob(source="toy", origin="real", entry=entry)


def command(job: DownloadJob, *more: str) -> list[str]:
    arguments = ["--job", job.model_dump_json(), "--output", str(OUTPUT), *more]
    return [sys.executable, "-m", "pipeline.download", *arguments]


def run(job: DownloadJob, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(job, *more), cwd=folder, env=environment(), capture_output=True, text=True)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "GLIMPSE_MIRROR": ""}


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """A zip of one incompressible file."""
    return zipped(tmp_path / "toy.zip", {"toy/a.bin": BODY}).read_bytes()


def test_a_source_is_published_with_its_manifest(
    server: Server, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job = toy(server, archive)
    download(job, OUTPUT, "")
    manifest = read_manifest(OUTPUT)
    assert tree(OUTPUT.with_suffix("")) == {"toy/a.bin": BODY}
    assert manifest.counts == {"files": 1, "bytes": len(BODY)}
    assert (manifest.complete, manifest.available, manifest.notes["first_use"]) == (True, True, ["toy.zip"])
    assert json.loads(OUTPUT.with_suffix(".timing.json").read_text())["device"] == "cpu"
    download(job, OUTPUT, "")
    assert len(server.log) == 1  # it was there already
    OUTPUT.unlink()
    shutil.rmtree(OUTPUT.with_suffix(""))
    download(job, OUTPUT, "")
    assert len(server.log) == 1  # the finished archive had stayed in the work folder
    assert read_manifest(OUTPUT) == manifest


def test_an_optional_source_that_cannot_be_had_says_why(server: Server, tmp_path: Path) -> None:
    job = toy(server, b"", optional=True)
    server.files.clear()
    done = run(job, tmp_path)
    manifest = read_manifest(tmp_path / OUTPUT)
    assert done.returncode == 0
    assert (manifest.available, manifest.digest) == (False, None)
    assert "404" in manifest.notes["reason"]
    assert [path.name for path in (tmp_path / OUTPUT).with_suffix("").iterdir()] == ["UNAVAILABLE"]
    toy(server, zipped(tmp_path / "late.zip", {"a": b"1"}).read_bytes())
    assert run(job, tmp_path).returncode == 0  # it is tried again
    assert read_manifest(tmp_path / OUTPUT).available


def test_a_required_source_that_cannot_be_had_is_one_line(server: Server, tmp_path: Path) -> None:
    job = toy(server, b"")
    server.files.clear()
    done = run(job, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "cannot download 'toy'" in done.stderr
    assert "answers 404" in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_corrupt_archive_is_one_line_and_fetched_anew(server: Server, archive: bytes, tmp_path: Path) -> None:
    job = toy(server, archive[: len(archive) // 2])
    done = run(job, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is corrupt" in done.stderr
    assert not (tmp_path / "data").exists()
    server.files["/toy.zip"] = archive
    assert run(job, tmp_path).returncode == 0
    assert tree((tmp_path / OUTPUT).with_suffix("")) == {"toy/a.bin": BODY}


def test_an_archive_that_leaves_its_folder_is_one_line(server: Server, tmp_path: Path) -> None:
    job = toy(server, zipped(tmp_path / "evil.zip", {"../../../../evil": b"1"}).read_bytes())
    done = run(job, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "path outside its folder" in done.stderr
    assert not list(tmp_path.rglob("evil"))


def test_after_kill_9_the_same_command_ends_with_the_same_bytes(server: Server, archive: bytes, tmp_path: Path) -> None:
    job = toy(server, archive)
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    assert run(job, tmp_path / "whole").returncode == 0
    server.faults = ["stall 200000"]
    part = tmp_path / "killed/work/data/raw/real/toy/network/toy.zip.part"
    with subprocess.Popen(command(job), cwd=tmp_path / "killed", env=environment()) as process:
        while not (part.exists() and part.stat().st_size > 100_000):
            time.sleep(0.01)
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    have = part.stat().st_size
    assert not (tmp_path / "killed" / "data").exists()
    assert run(job, tmp_path / "killed").returncode == 0
    assert server.log[-1] == ("/toy.zip", f"bytes={have}-")
    assert (tmp_path / "killed" / OUTPUT).read_bytes() == (tmp_path / "whole" / OUTPUT).read_bytes()
    assert tree(tmp_path / "killed" / "data/raw/real/toy") == tree(tmp_path / "whole" / "data/raw/real/toy")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small tmpfs needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("stage", ["download", "unpack"])
def test_a_full_disk_is_one_line_and_nothing_is_lost(server: Server, small_disk: Path, stage: str) -> None:
    contents = {"a": bytes(10)} if stage == "download" else {"a": bytes(300_000), "b": bytes(3_000_000)}
    padding = np.random.default_rng(2).bytes(2_000_000) if stage == "download" else b""
    job = toy(server, padding + zipped(small_disk / "t.zip", contents).read_bytes())  # a zip may have a foreword
    (small_disk / "t.zip").unlink()
    server.faults = ["no length"]
    done = run(job, small_disk)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "free some space and run the same command again" in done.stderr
    assert not (small_disk / "data").exists()
    assert not (small_disk / "work/data/raw/real/toy/staged").exists()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert run(job, small_disk).returncode == 0
    assert tree(small_disk / "data/raw/real/toy") == contents
    assert len(server.log) == (2 if stage == "download" else 1)


def test_a_source_without_a_sample_is_one_line(tmp_path: Path) -> None:
    done = run(DownloadJob(source="toy", origin="sample", entry=None), tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'toy' has no built-in sample" in done.stderr


def test_check_tells_of_every_source_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "mirror.yaml").write_text(
        f"omniglot: {{complete: false, files: [{{file: o.zip, bytes: 5, sha256: {'a' * 64}}}]}}\n"
    )
    offline = {**environment(), "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    check = [sys.executable, "-m", "pipeline.download", "--check", "--mirror", "."]
    done = subprocess.run(check, cwd=tmp_path, env=offline, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["omniglot/o.zip"] == "mirror: IS MISSING, 5 bytes, sha256 known, a subset"
    assert "www.robots.ox.ac.uk breaks off" in lines["dtd/dtd-r1.0.1.tar.gz"]
    assert lines["dtd/dtd-r1.0.1.tar.gz"].endswith("625.2 MB, md5 known")
    assert lines["davis2016/DAVIS-data.zip"].endswith("no published checksum (recorded on first use)")
