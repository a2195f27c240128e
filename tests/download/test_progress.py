"""Progress: a line now and then in a log, a bar on a terminal."""

import pytest

from pipeline.download import progress
from pipeline.download.progress import Progress, megabytes


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = iter([0.0, 4.0, 11.0, 11.0, 12.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(progress.os, "isatty", lambda _: False)
    with Progress("x.zip", 1_000_000, 4_000_000) as shown:
        for _ in range(3):
            shown.add(500_000)
    assert capsys.readouterr().out.splitlines() == ["x.zip: 2.0 MB of 4.0 MB (50%)"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress.os, "isatty", lambda _: True)
    with Progress("x.zip", 0, 2_000_000) as shown:
        shown.add(2_000_000)
    out, err = capsys.readouterr()
    assert out == ""
    assert "x.zip" in err


@pytest.mark.parametrize(
    ("count", "text"), [(None, "size unknown"), (6009, "6,009 bytes"), (13_510_573_713, "13,510.6 MB")]
)
def test_sizes_are_written_for_people(count: int | None, text: str) -> None:
    assert megabytes(count) == text
