"""Mirrors: a folder or an address, verified by their own sizes and hashes; each mistake is one line."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from download.conftest import HASTE, Server
from download.test_unpack import tarred, tree, zipped

from pipeline.download.job import DownloadJob, Entry, Outcome
from pipeline.download.mirror import Mirror
from pipeline.download.real import make
from pipeline.errors import UserError

KNOWN = {"omniglot", "davis2016", "davis2017", "lpips_v0.1"}
NOWHERE = Entry(files=(), optional=True)


def listed(folder: Path, name: str) -> dict[str, Any]:
    data = (folder / name).read_bytes()
    return {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A mirror folder with a complete source and a subset laid over it."""
    folder = tmp_path / "mirror"
    (folder / "d").mkdir(parents=True)
    zipped(folder / "d" / "base.zip", {"D/1.txt": b"old", "D/2.txt": b"2"})
    tarred(folder / "d" / "over.tar.gz", {"D/1.txt": b"new"})
    (folder / "w.pth").write_bytes(b"weights")
    table = {
        "davis2016": {"complete": True, "files": [listed(folder, "d/base.zip")]},
        "davis2017": {"complete": False, "over": "davis2016", "files": [listed(folder, "d/over.tar.gz")]},
        "lpips_v0.1": {"complete": True, "note": "heads", "files": [listed(folder, "w.pth")]},
    }
    (folder / "mirror.yaml").write_text(yaml.safe_dump(table))
    return folder


def edit(folder: Path, source: str, **changes: Any) -> None:
    table = yaml.safe_load((folder / "mirror.yaml").read_text())
    table[source] = table.get(source, {}) | changes
    (folder / "mirror.yaml").write_text(yaml.safe_dump(table))


def made(source: str, mirror: str, at: Path, entry: Entry = NOWHERE) -> Outcome:
    for name in ("staged", "work"):
        shutil.rmtree(at / name, ignore_errors=True)
        (at / name).mkdir()
    return make(DownloadJob(source=source, origin="real", entry=entry), at / "staged", at / "work", mirror)


def test_one_archive_lies_over_another_and_a_subset_says_so(place: Path, tmp_path: Path) -> None:
    outcome = made("davis2017", str(place), tmp_path)
    assert tree(tmp_path / "staged") == {"D/1.txt": b"new", "D/2.txt": b"2"}
    assert (outcome.complete, outcome.notes["origin"]) == (False, "mirror")
    assert list(outcome.notes["files"]) == ["d/base.zip", "d/over.tar.gz"]


def test_a_complete_source_over_a_subset_is_a_subset(place: Path, tmp_path: Path) -> None:
    edit(place, "davis2016", complete=False)
    edit(place, "davis2017", complete=True)
    assert made("davis2016", str(place), tmp_path).complete is False
    assert made("davis2017", str(place), tmp_path).complete is False


def test_a_file_is_found_under_the_key_that_the_table_names(place: Path, tmp_path: Path) -> None:
    outcome = made("lpips", str(place), tmp_path, Entry(files=(), optional=True, mirror="lpips_v0.1"))
    assert tree(tmp_path / "staged") == {"w.pth": b"weights"}
    assert outcome.notes["files"] == {"w.pth": hashlib.sha256(b"weights").hexdigest()}


def test_an_address_gives_what_the_folder_gives(place: Path, tmp_path: Path, server: Server) -> None:
    server.files = {f"/m/{path.relative_to(place)}": path.read_bytes() for path in place.rglob("*") if path.is_file()}
    near = made("davis2017", str(place), tmp_path)
    far = made("davis2017", server.url + "/m/", tmp_path)
    assert tree(tmp_path / "staged") == {"D/1.txt": b"new", "D/2.txt": b"2"}
    assert near == far


def test_what_the_mirror_lacks_comes_from_the_network(place: Path, tmp_path: Path, server: Server) -> None:
    server.files["/o.zip"] = zipped(tmp_path / "o.zip", {"o.txt": b"o"}).read_bytes()
    file = {"file": "o.zip", "urls": [server.url + "/o.zip"], "bytes": None, "checksum": None, "unpack": "zip"}
    entry = Entry.model_validate({"files": [file], "optional": False})
    outcome = made("omniglot", str(place), tmp_path, entry)
    assert (outcome.complete, outcome.notes["origin"], outcome.notes["first_use"]) == (True, "network", ["o.zip"])
    assert tree(tmp_path / "staged") == {"o.txt": b"o"}


def test_a_missing_file_is_one_line(place: Path, tmp_path: Path) -> None:
    (place / "d" / "base.zip").unlink()
    with pytest.raises(UserError, match=r"lacks .*d/base\.zip, which its mirror\.yaml lists: complete the mirror"):
        made("davis2016", str(place), tmp_path)


@pytest.mark.parametrize(("data", "found"), [(b"weightz", "sha256 .* instead of"), (b"w", "1 bytes instead of 7")])
def test_a_wrong_file_is_one_line(place: Path, tmp_path: Path, data: bytes, found: str) -> None:
    (place / "w.pth").write_bytes(data)
    with pytest.raises(UserError, match=rf"w\.pth is not what its mirror\.yaml says \({found}.*copy the mirror anew"):
        Mirror(str(place), KNOWN).get(Mirror(str(place), KNOWN).entries["lpips_v0.1"].files[0], tmp_path)


def test_a_wrong_file_at_an_address_is_one_line_and_not_kept(place: Path, tmp_path: Path, server: Server) -> None:
    server.files = {"/mirror.yaml": (place / "mirror.yaml").read_bytes(), "/w.pth": b"weightz"}
    mirror = Mirror(server.url, KNOWN, HASTE)
    with pytest.raises(UserError, match=r"does not give w\.pth: .* instead of"):
        mirror.get(mirror.entries["lpips_v0.1"].files[0], tmp_path / "work")
    assert tree(tmp_path / "work") == {}


def test_a_corrupt_archive_of_the_mirror_is_left_alone(place: Path, tmp_path: Path) -> None:
    (place / "d" / "base.zip").write_bytes(b"no zip")
    edit(place, "davis2016", files=[listed(place, "d/base.zip")])
    with pytest.raises(UserError, match=r"base\.zip is corrupt .*: mend the mirror"):
        made("davis2016", str(place), tmp_path)
    assert (place / "d" / "base.zip").exists()


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ("omnigloth", {"complete": True, "files": []}, "unknown source 'omnigloth'; did you mean 'omniglot'"),
        ("davis2016", {"complte": True}, "unknown key 'complte'; did you mean 'complete'"),
        ("davis2016", {"files": [{"file": "../x", "bytes": 1, "sha256": "0" * 64}]}, "relative path"),
        ("davis2016", {"files": [{"file": "x", "bytes": 1, "sha256": "0"}]}, "sha256"),
        ("davis2016", {"complete": "perhaps"}, "'complete'"),
    ],
)
def test_a_malformed_table_is_one_line(place: Path, source: str, changes: dict[str, Any], message: str) -> None:
    edit(place, source, **changes)
    with pytest.raises(UserError, match=message):
        Mirror(str(place), KNOWN)


@pytest.mark.parametrize("over", ["davis2017", "omniglot"])
def test_lying_over_nothing_or_over_itself_is_one_line(place: Path, over: str) -> None:
    edit(place, "davis2017", over=over)
    with pytest.raises(UserError, match="which the mirror cannot give"):
        Mirror(str(place), KNOWN).layers("davis2017")


@pytest.mark.parametrize("text", ["- a list", "a: [", ""])
def test_a_table_that_is_none_is_one_line(place: Path, text: str) -> None:
    (place / "mirror.yaml").write_text(text)
    with pytest.raises(UserError, match=r"mirror\.yaml"):
        Mirror(str(place), KNOWN)


def test_no_table_is_one_line(tmp_path: Path, server: Server) -> None:
    for place in (str(tmp_path), server.url):
        with pytest.raises(UserError, match=r"cannot read .*mirror\.yaml.*mirror"):
            Mirror(place, KNOWN, HASTE)
