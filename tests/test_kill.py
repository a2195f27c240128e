"""`kill -9` of a job and of Snakemake itself, at every stage: the same command goes on and ends with the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import miniature
import pytest
from miniature import Miniature

pytestmark = pytest.mark.slow

PATIENCE = 240
"""Seconds that anything may take on a busy machine."""
EVERY_CHANCE = {"GLIMPSE_CHECKPOINT_SECONDS": "0"}
"""Checkpoints as often as possible."""


def slower(project: Miniature) -> None:
    """Ten shards to render and two hundred updates to train, so that a kill comes in their midst; fewer systems."""
    for name in ("toy_untrained", "toy_adapting"):
        shutil.rmtree(project.path / "plugins" / name)
    project.edit("plugins/toy_trained/plugin.yaml", "samples: 400", "samples: 4000")
    project.edit("plugins/toy_trained/plugin.yaml", "variants:\n  wide: {train: {width: 16}}\n", "")
    project.edit("pipeline/suites/clutter/suite.yaml", "train: {sample: 1000,", "train: {sample: 20000,")


@pytest.fixture
def undisturbed(shared) -> Miniature:
    return miniature.finished(shared, "undisturbed", slower)


def unfinished(project: Miniature, target: Path) -> Miniature:
    """A copy in which nothing has run."""
    copy = project.copy(target, light=True)
    for folder in ("data", "models", "results", "work", "logs", ".snakemake"):
        shutil.rmtree(copy.path / folder)
    return copy


@contextmanager
def started(project: Miniature, *targets: str) -> Iterator[subprocess.Popen[str]]:
    """Snakemake in the background; at the end all that runs in the project is killed."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *targets]
    with subprocess.Popen(
        command,
        cwd=project.path,
        env=project.environment(**EVERY_CHANCE),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def jobs(project: Miniature, *words: str) -> list[int]:
    """Processes `python -m pipeline.<stage>` that run in the project and whose arguments hold all of `words`."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # it has ended
            if folder.name.isdecimal() and (folder / "cwd").readlink() == project.path:
                arguments = (folder / "cmdline").read_text().split("\0")
                if arguments[1:2] == ["-m"] and all(any(word in a for a in arguments[2:]) for word in words):
                    found.append(int(folder.name))
    return found


@pytest.fixture
def no_orphans(tmp_path) -> Iterator[None]:
    """Ends whatever still runs below the test's folder."""
    yield
    for folder in tmp_path.iterdir():
        for pid in jobs(Miniature(folder), "pipeline."):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_for(process: subprocess.Popen[str], holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert process.poll() is None, "Snakemake ended too early"
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def entries(path: Path) -> int:
    return len(list(path.iterdir())) if path.exists() else 0


TRAINING = Path("work/models/sample/toy_trained/clutter-n4/seed0")
MIDST: dict[str, tuple[tuple[str, ...], Callable[[Path], bool]]] = {
    "download": (("pipeline.download",), lambda root: entries(root / "work/data/raw/sample/omniglot/staged") > 0),
    "render": (
        ("pipeline.render", "n4/train.json"),
        lambda root: entries(root / "work/data/episodes/sample/clutter-n4/train.zarr/done") >= 2,
    ),
    "train": (
        ("pipeline.train", "toy_trained/clutter-n4/seed0.json"),
        lambda root: (root / TRAINING / "checkpoint.pt").exists() and lines(root / TRAINING / "log.jsonl") >= 20,
    ),
    "evaluate": (("pipeline.evaluate",), lambda root: (root / "work/results/scores").exists()),
    "table": (("pipeline.report", "table"), lambda root: True),
    "page": (("pipeline.report", "page"), lambda root: True),
}
"""For each place to kill at: words of the job's command, and what shows that it has begun."""


def run_and_kill(project: Miniature, place: str, victim: str) -> None:
    """Run Snakemake until it is in the midst of `place`, then kill the job there, or Snakemake and not the job."""
    words, begun = MIDST[place]
    with started(project) as snakemake:
        wait_for(snakemake, lambda: bool(jobs(project, *words)) and begun(project.path))
        if victim == "job":
            os.kill(jobs(project, *words)[0], signal.SIGKILL)
            assert snakemake.wait(PATIENCE) == 1
        else:
            snakemake.kill()
            assert snakemake.wait() == -signal.SIGKILL


@pytest.mark.usefixtures("no_orphans")
@pytest.mark.parametrize("victim", ["job", "snakemake"])
def test_killed_in_every_stage_it_ends_with_the_same_bytes(undisturbed, tmp_path, victim):
    project = unfinished(undisturbed, tmp_path / "project")
    for place in MIDST:
        run_and_kill(project, place, victim)
    project.snakemake()
    assert project.products() == undisturbed.products()
    assert (project.path / "results" / "report.html").exists()
    assert project.planned() == {}


@pytest.fixture
def training(finished_miniature, tmp_path):
    """A miniature project whose second system has to be trained again, for longer."""
    project = finished_miniature.copy(tmp_path / "project", light=True)
    shutil.rmtree(project.path / "work" / "models" / "sample" / "toy_two_stages")
    project.edit("plugins/toy_two_stages/plugin.yaml", "samples: 200", "samples: 2000")
    return project


LOG = Path("work/models/sample/toy_two_stages/clutter-n4/seed0/log.jsonl")


def stopped(project: Miniature, snakemake: subprocess.Popen[str]) -> int:
    """Wait for the training to be under way, hold it, and return its process."""
    wait_for(snakemake, lambda: lines(project.path / LOG) >= 2)
    (pid,) = jobs(project, "pipeline.train")
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.mark.usefixtures("no_orphans")
def test_a_second_live_run_is_refused(training):
    with started(training, "train") as first:
        pid = stopped(training, first)
        second = training.snakemake("train", check=False)
        assert second.returncode == 1
        assert "LockException" in second.stderr
        os.kill(pid, signal.SIGCONT)
        assert first.wait(PATIENCE) == 0
    assert training.planned("train") == {}


@pytest.mark.usefixtures("no_orphans")
def test_an_orphan_is_waited_for_and_its_work_taken(training):
    with started(training, "train") as first:
        orphan = stopped(training, first)
    with started(training, "train") as second:
        log = training.path / "logs/train/sample/toy_two_stages/clutter-n4/seed0.log"
        wait_for(second, lambda: log.exists() and "another process is making" in log.read_text())
        before = lines(training.path / LOG)
        time.sleep(0.5)
        assert lines(training.path / LOG) == before
        os.kill(orphan, signal.SIGCONT)
        assert second.wait(PATIENCE) == 0
    assert training.planned("train") == {}
    assert lines(training.path / LOG) == lines(training.path / LOG.relative_to("work")) == 200
