"""An export is whole at its place, or nothing of it is left."""

import signal
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.export.place import whole


def fill(path: Path) -> None:
    path.mkdir()
    (path / "images.npy").write_bytes(b"1234")


def test_what_is_written_beside_lands_at_its_place(tmp_path: Path) -> None:
    with whole(tmp_path / "a" / "out") as beside:
        fill(beside)
        assert not (tmp_path / "a" / "out").exists()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["a", "a/out", "a/out/images.npy"]


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), UserError("no")])
def test_a_failure_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    with pytest.raises(type(failure)) as raised, whole(tmp_path / "a" / "b" / "out") as beside:  # noqa: PT012
        fill(beside)
        raise failure
    assert list(tmp_path.iterdir()) == []
    if isinstance(failure, OSError):
        assert raised.value.filename == str(tmp_path / "a" / "b" / "out")


def test_sigterm_leaves_nothing_and_is_handled_as_before(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as raised, whole(tmp_path / "out") as beside:  # noqa: PT012
        fill(beside)
        signal.raise_signal(signal.SIGTERM)
    assert raised.value.code == 143
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_disk_without_room_for_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, mode: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"), whole(tmp_path / "a" / "out"):
        pytest.fail("refused before anything is written")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError), whole(tmp_path / "a" / "out"):
        raise UserError("no")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_what_a_killed_export_left_goes(tmp_path: Path) -> None:
    fill(tmp_path / "left")
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / "left").rename(tmp_path / ".out.partial" / "out")
    (tmp_path / ".out.partial" / "out.h5").write_bytes(b"1")
    with whole(tmp_path / "out") as beside:
        assert [path.name for path in beside.parent.iterdir()] == [".lock"]
        beside.write_bytes(b"new")
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_an_export_is_not_overwritten(tmp_path: Path) -> None:
    fill(tmp_path / "out")
    with pytest.raises(UserError, match="out is there already: remove it, or choose another"), whole(tmp_path / "out"):
        pytest.fail("refused before anything is written")
    assert (tmp_path / "out" / "images.npy").read_bytes() == b"1234"


def test_two_exports_to_one_place(tmp_path: Path) -> None:
    with whole(tmp_path / "out") as beside:
        fill(beside)
        with pytest.raises(UserError, match="another process is exporting to"), whole(tmp_path / "out"):
            pytest.fail("refused before anything is written")
    assert (tmp_path / "out" / "images.npy").exists()


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = r"cannot write .*/file/out \(Not a directory\): choose another folder"
    with pytest.raises(UserError, match=message), whole(tmp_path / "file" / "out"):
        pytest.fail("refused before anything is written")
