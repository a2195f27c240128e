"""Fixtures all tests share."""

import os
from collections.abc import Generator
from pathlib import Path

import miniature
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; more threads would only wait for each other

ROOT = Path(__file__).resolve().parent.parent
LONGEST = (
    "test_sample.py",
    "test_kill.py",
    "test_dvc.py",
    "test_bad_input.py",
    "test_reruns.py",
    "synthesize/test_main.py",
    "plugins/test_texture_net.py",
    "train/test_main.py",
)
"""Files of tests that take longest, the longest first: begun last, one of them would run alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files."""
    ranks = {ROOT / "tests" / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of real data: GLIMPSE_MIRROR, or ../shared/data; in CI its absence where it was promised is a failure."""
    promised = os.environ.get("GLIMPSE_MIRROR")
    folder = Path(promised) if promised else ROOT.parent / "shared" / "data"
    if (folder / "mirror.yaml").is_file():
        return folder.resolve()
    if promised:
        pytest.fail(f"GLIMPSE_MIRROR={promised} holds no mirror.yaml")
    pytest.skip("no mirror of real data: set GLIMPSE_MIRROR to a folder with a mirror.yaml")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of a test run see."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "shared"


@pytest.fixture(scope="session")
def finished_miniature(shared: Path) -> miniature.Miniature:
    """A miniature project that has run; look, but copy it (`.copy(tmp_path / "project")`) before any change."""
    return miniature.finished(shared)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where real data were promised (GLIMPSE_MIRROR is set), a test of them that skips has failed."""
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped and item.get_closest_marker("mirror") and os.environ.get("GLIMPSE_MIRROR"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome, report.longrepr = "failed", f"skipped although GLIMPSE_MIRROR is set: {reason}"
    return report
