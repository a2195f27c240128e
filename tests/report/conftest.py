"""A folder for the miniature project."""

from pathlib import Path

import pytest

from pipeline.report.results import judged, read_result


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, entered; nothing read before is remembered."""
    monkeypatch.chdir(tmp_path)
    read_result.cache_clear()
    judged.cache_clear()
    return tmp_path
