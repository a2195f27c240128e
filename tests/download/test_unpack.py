"""Archives: what leaves the folder, links, lies or is broken does not get in."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.download.unpack import ArchiveError, unpack, unpack_kind
from pipeline.errors import UserError

OUTSIDE = ["../evil", "/evil", "a/../../evil", "\\evil", "a\\..\\..\\evil", "C:\\evil", "C:evil"]


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, members: dict[str, bytes | str], mode: str = "w:gz") -> Path:
    """A value that is a text names the member's type instead of its bytes."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(data, str):
                info.type, info.linkname = getattr(tarfile, data), "/etc/passwd"
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
def test_members_land_below_the_target_over_what_is_there(tmp_path: Path, suffix: str) -> None:
    members = {"a/b.txt": b"new", "./c.txt": b"c" * 3_000_000}
    mode = {"tar.bz2": "w:bz2", "tar.xz": "w:xz", "tar": "w"}.get(suffix, "w:gz")
    path = tmp_path / f"x.{suffix}"
    zipped(path, members) if suffix == "zip" else tarred(path, dict(members), mode)
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "b.txt").write_bytes(b"a longer old one")
    unpack(path, tmp_path / "out", unpack_kind(path.name))
    assert tree(tmp_path / "out") == {"a/b.txt": b"new", "c.txt": b"c" * 3_000_000}


def test_other_files_are_copied(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"weights")
    unpack(tmp_path / "w.pth", tmp_path / "out", unpack_kind("w.pth"))
    assert tree(tmp_path / "out") == {"w.pth": b"weights"}


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_path_leaves_the_target(tmp_path: Path, kind: str, name: str) -> None:
    make = zipped if kind == "zip" else tarred
    path = make(tmp_path / "x", {"good": b"1", name: b"2"})
    with pytest.raises(ArchiveError, match="path outside its folder"):
        unpack(path, tmp_path / "deep" / "out", "zip" if kind == "zip" else "tar")
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} == {"x", "good"}


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE"])
def test_a_tar_brings_no_link_and_no_device(tmp_path: Path, kind: str) -> None:
    path = tarred(tmp_path / "x.tar.gz", {"l": kind, "l/evil": b"2"})
    with pytest.raises(ArchiveError, match="link or a device"):
        unpack(path, tmp_path / "out", "tar")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_zip_brings_no_link(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("l")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveError, match="link or a device"):
        unpack(tmp_path / "x.zip", tmp_path / "out", "zip")


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_archive_is_one_line(tmp_path: Path, suffix: str, damage: str) -> None:
    members = {"a": bytes(range(256)) * 400}
    mode = {"tar.bz2": "w:bz2", "tar.xz": "w:xz", "tar": "w"}.get(suffix, "w:gz")
    path = tmp_path / f"x.{suffix}"
    zipped(path, members) if suffix == "zip" else tarred(path, dict(members), mode)
    data = bytearray(path.read_bytes())
    place = 200 if suffix == "tar" else len(data) // 2
    if damage == "flip":
        data[place] ^= 0xFF
        data[place + 1] ^= 0xFF
    path.write_bytes({"cut": data[: len(data) // 2], "flip": data, "empty": b""}[damage])
    if suffix == "tar" and damage == "flip":
        data[148:156] = b"garbage!"
        path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"x\.(zip|tar).* is corrupt"):
        unpack(path, tmp_path / "out", unpack_kind(path.name))


def test_a_wrong_checksum_at_the_end_of_gzip_is_noticed(tmp_path: Path) -> None:
    path = tarred(tmp_path / "x.tar.gz", {"a": b"1" * 1000})
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="corrupt"):
        unpack(path, tmp_path / "out", "tar")


def test_one_name_for_a_file_and_a_folder_is_corrupt(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a": b"1", "a/b": b"2"})
    with pytest.raises(ArchiveError, match="corrupt"):
        unpack(path, tmp_path / "out", "zip")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_bomb_stops_before_the_disk_is_full(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 5_000_000}))
    make = zipped if kind == "zip" else tarred
    path = make(tmp_path / "x", {str(i): bytes(2_000_000) for i in range(4)})
    with pytest.raises(UserError, match="more than the disk can take") as found:
        unpack(path, tmp_path / "out", "zip" if kind == "zip" else "tar")
    assert not isinstance(found.value, ArchiveError)  # it may be a good archive: nobody deletes it
    assert sorted(tree(tmp_path / "out")) == ["0", "1"]
