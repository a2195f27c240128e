"""Downloads that resume, retry, verify and keep nothing that fails, from a server that stalls, cuts and lies."""

import hashlib
import time
from pathlib import Path

import numpy as np
import pytest
from download.conftest import HASTE, Server

from pipeline.download.fetch import FetchError, fetch
from pipeline.download.sources import SourceFile
from pipeline.errors import UserError

BODY = np.random.default_rng(0).bytes(400_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


def wanted(server: Server, *, size: int | None = len(BODY), checksum: str | None = "sha256:" + SHA256) -> SourceFile:
    server.files["/x.bin"] = BODY
    return SourceFile(file="x.bin", urls=(server.url + "/x.bin",), bytes=size, checksum=checksum, unpack="none")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_arrives_whole_and_alone(server: Server, tmp_path: Path) -> None:
    assert fetch(wanted(server), tmp_path / "x.bin", HASTE) == SHA256
    assert (tmp_path / "x.bin").read_bytes() == BODY
    assert names(tmp_path) == ["x.bin"]


def test_a_file_that_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(BODY)
    assert fetch(wanted(server), tmp_path / "x.bin", HASTE) == SHA256
    assert server.log == []


@pytest.mark.parametrize(("fault", "have"), [("cut 200000", 200_000), ("stall 200000", 200_000 // 65536 * 65536)])
def test_what_is_missing_and_no_more_is_asked_for(server: Server, tmp_path: Path, fault: str, have: int) -> None:
    server.faults = [fault, "cut 0"]
    fetch(wanted(server), tmp_path / "x.bin", HASTE)
    assert server.log == [("/x.bin", ""), ("/x.bin", f"bytes={have}-"), ("/x.bin", f"bytes={have}-")]
    assert (tmp_path / "x.bin").read_bytes() == BODY


def test_a_partial_file_of_another_process_is_continued(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.bin.part").write_bytes(BODY[:123_456])
    fetch(wanted(server), tmp_path / "x.bin", HASTE)
    assert server.log == [("/x.bin", "bytes=123456-")]


def test_a_whole_partial_file_needs_no_request(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.bin.part").write_bytes(BODY)
    fetch(wanted(server), tmp_path / "x.bin", HASTE)
    assert server.log == []


def test_a_whole_partial_file_of_unknown_size_is_recognized(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.bin.part").write_bytes(BODY)
    assert fetch(wanted(server, size=None), tmp_path / "x.bin", HASTE) == SHA256


@pytest.mark.parametrize("fault", ["no range", "wrong range", "corrupt"])
def test_a_server_that_ignores_the_range_or_lies_costs_a_restart(server: Server, tmp_path: Path, fault: str) -> None:
    (tmp_path / "x.bin.part").write_bytes(BODY[:100_000])
    server.faults = [fault]
    assert fetch(wanted(server), tmp_path / "x.bin", HASTE) == SHA256
    assert server.log[1:] in ([], [("/x.bin", "")])


@pytest.mark.parametrize("fault", ["500", "503", "429", "cut 0", "stall 0"])
def test_a_passing_fault_is_tried_again(server: Server, tmp_path: Path, fault: str) -> None:
    server.faults = [fault, fault]
    assert fetch(wanted(server), tmp_path / "x.bin", HASTE) == SHA256


def test_an_announced_size_that_never_comes_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    server.faults = ["long"]
    assert fetch(wanted(server, size=None), tmp_path / "x.bin", HASTE) == SHA256


def test_the_next_link_is_taken_at_once(server: Server, tmp_path: Path) -> None:
    file = wanted(server)
    file = file.model_copy(update={"urls": (server.url + "/gone.bin", *file.urls)})
    fetch(file, tmp_path / "x.bin", HASTE)
    assert [path for path, _ in server.log] == ["/gone.bin", "/x.bin"]


@pytest.mark.parametrize("checksum", ["sha256:" + "0" * 64, "md5:" + "0" * 32, "sha256-prefix:" + "0" * 8])
def test_wrong_bytes_are_not_kept(server: Server, tmp_path: Path, checksum: str) -> None:
    with pytest.raises(FetchError, match="instead of 0000"):
        fetch(wanted(server, checksum=checksum), tmp_path / "x.bin", HASTE)
    assert names(tmp_path) == []


def test_cuts_and_wrong_bytes_in_turn_come_to_an_end(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut 200000", "corrupt"] * 20
    with pytest.raises(FetchError):
        fetch(wanted(server), tmp_path / "x.bin", HASTE)
    assert len(server.log) < 10


def test_a_wrong_size_is_refused_before_a_byte_is_read(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="announces 400000 bytes instead of 99"):
        fetch(wanted(server, size=99), tmp_path / "x.bin", HASTE)
    assert len(server.log) == 1


def test_a_truncated_body_of_announced_size_is_no_file(server: Server, tmp_path: Path) -> None:
    server.faults = ["short"] * 9
    with pytest.raises(FetchError):
        fetch(wanted(server), tmp_path / "x.bin", HASTE)
    assert not (tmp_path / "x.bin").exists()


def test_slow_progress_is_progress(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut 70000"] * 5
    assert fetch(wanted(server), tmp_path / "x.bin", HASTE) == SHA256
    assert len(server.log) == 6


def test_without_a_checksum_a_changed_file_starts_anew(server: Server, tmp_path: Path) -> None:
    file = wanted(server, size=None, checksum=None)
    server.tag = '"one"'
    server.faults = ["cut 200000", "cut 0", "cut 0", "cut 0"]
    with pytest.raises(FetchError):
        fetch(file, tmp_path / "x.bin", HASTE)
    server.tag, server.files["/x.bin"] = '"two"', BODY[::-1]
    fetch(file, tmp_path / "x.bin", HASTE)
    assert (tmp_path / "x.bin").read_bytes() == BODY[::-1]


def test_no_answer_ends_with_the_reason(tmp_path: Path) -> None:
    file = SourceFile(file="x", urls=("http://127.0.0.1:9/x",), bytes=None, checksum=None, unpack="none")
    start = time.monotonic()
    with pytest.raises(FetchError, match=r"127\.0\.0\.1:9/x breaks off"):
        fetch(file, tmp_path / "x", HASTE)
    assert time.monotonic() - start < 5


def test_a_file_larger_than_the_disk_is_not_begun(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(UserError, match=r"needs 0\.4 MB more.*1,000 bytes left.*nothing is lost"):
        fetch(wanted(server), tmp_path / "x.bin", HASTE)
