"""Jobs forked from a server are what `python -m pipeline.STAGE` would be: output, exit codes, signals, numbers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from miniature import ROOT

from pipeline.launch import VARIABLE, announce

PATIENCE = 60


@dataclass
class Project:
    """A project whose stage `toy` executes its first argument, and a process that stands for its Snakemake."""

    path: Path
    snakemake: subprocess.Popen[bytes]

    def start(self, code: str, *arguments: str, stage: str = "toy", **more: str) -> subprocess.Popen[str]:
        kept = {key: value for key, value in os.environ.items() if key != "WORLD_SIZE"}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.launch", stage, code, *arguments],
            cwd=self.path,
            env=kept | {VARIABLE: f"{self.snakemake.pid}-{self.path}"} | more,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            process_group=0,
        )

    def run(self, code: str, *arguments: str, **more: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        with self.start(code, *arguments, **more) as client:
            output, errors = client.communicate("from outside\n", PATIENCE)
        return client.returncode, output, errors

    def facts(self, expression: str, **more: str) -> object:
        code, output, errors = self.run(f"import json, os, sys; print(json.dumps({expression}))", **more)
        assert (code, errors) == (0, "")
        return json.loads(output)

    def processes(self, *words: str) -> list[int]:
        """Processes that run here and have all of `words` among their arguments."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):  # it has ended
                here = folder.name.isdecimal() and (folder / "cwd").readlink() == self.path
                if here and set(words) <= set((folder / "cmdline").read_text().split("\0")):
                    found.append(int(folder.name))
        return found

    def servers(self) -> list[int]:
        return self.processes(str(self.path / "pipeline" / "forkserver.py"))

    def jobs(self) -> list[int]:
        return self.processes("-m", "pipeline.toy")


def wait_until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


@pytest.fixture
def project(tmp_path) -> Iterator[Project]:
    (tmp_path / "pipeline" / "toy").mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "launch.py", "forkserver.py"):
        shutil.copy(ROOT / "pipeline" / name, tmp_path / "pipeline")
    (tmp_path / "pipeline" / "toy" / "__main__.py").write_text("import sys\n\nexec(sys.argv[1])\n")
    with subprocess.Popen(["sleep", "600"]) as snakemake:
        project = Project(tmp_path.resolve(), snakemake)
        yield project
        snakemake.kill()
    for job in project.jobs():
        os.kill(job, signal.SIGKILL)
    wait_until(lambda: not project.servers())


ALONE = {VARIABLE: ""}


def test_jobs_share_one_server(project):
    parents = {project.facts("os.getppid()") for _ in range(3)}
    assert parents == set(project.servers())
    assert len(parents) == 1


def test_a_job_without_announcement_and_a_rank_of_torchrun_are_not_forked(project):
    assert project.facts("os.getppid()", **ALONE) == os.getpid()
    assert project.facts("os.getppid()", WORLD_SIZE="2") == os.getpid()
    assert project.servers() == []


@pytest.mark.parametrize(
    "code",
    [
        "import sys; print(sys.argv, sys.path, sys.orig_argv, __name__, __spec__.name, __file__)",
        "import os; print(os.getcwd(), os.environ, os.umask(0), os.getpgid(0) == os.getpgrp())",
        "print(input()); import sys; print(sys.stdout.encoding, sys.stdout.line_buffering, sys.stderr.errors)",
        "import signal; print([signal.getsignal(n) for n in signal.valid_signals()])",
        "import sys; print(sorted(n for n in sys.modules if n.startswith(('pipeline', 'plugins'))))",
        "raise SystemExit",
        "raise SystemExit(3)",
        "raise SystemExit('in words')",
        "1 / 0",
        "import nothing_of_this_name",
        "import os; os._exit(5)",
        "import os; os.close(1); print('nowhere')",
        "import atexit; atexit.register(print, 'at exit'); print('before')",
        "import threading; threading.Timer(0.2, print, ['from a thread']).start()",
    ],
)
def test_a_forked_job_does_what_a_fresh_one_does(project, code):
    forked = project.run(code, "'quoted'", "ü", "")
    assert project.servers()
    alone = project.run(code, "'quoted'", "ü", "", **ALONE)
    variable = (f"'{VARIABLE}': '{project.snakemake.pid}-{project.path}'", f"'{VARIABLE}': ''")
    assert (forked[0], forked[1].replace(*variable), forked[2]) == alone


def test_files_that_were_not_closed_are_written(project):
    assert project.run("file = open('left.txt', 'w'); file.write('all of it')") == (0, "", "")
    assert project.servers()
    assert (project.path / "left.txt").read_text() == "all of it"


def test_code_that_changed_meanwhile_is_read(project):
    assert project.run("print(sys.argv)")[0] == 0
    (project.path / "pipeline" / "toy" / "__main__.py").write_text("print('changed')\n")
    assert project.run("")[1] == "changed\n"


def test_a_job_is_listed_under_its_own_name(project):
    with project.start("input()", "--output", "x/y.json") as client:
        wait_until(lambda: project.processes("-m", "pipeline.toy", "--output", "x/y.json"))
        client.communicate("\n")
    assert client.returncode == 0


def test_other_conditions_have_another_server(project):
    first = project.facts("os.getppid()", OMP_NUM_THREADS="1")
    second = project.facts("os.getppid()", OMP_NUM_THREADS="2")
    assert first != second
    assert {first, second} == set(project.servers())
    assert project.facts("os.environ['OMP_NUM_THREADS']", OMP_NUM_THREADS="2") == "2"


def test_jobs_at_the_same_time_start_one_server_and_run_together(project):
    clients = [project.start("input(); print(__import__('os').getppid())") for _ in range(4)]
    wait_until(lambda: len(project.jobs()) == 4)
    parents = {client.communicate("\n")[0] for client in clients}
    assert len(parents) == 1


def test_a_job_that_is_killed_leaves_137_and_a_line(project):
    code, _, errors = project.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert code == 128 + signal.SIGKILL
    assert errors == "error: the job was ended by SIGKILL, perhaps for want of memory: run fewer jobs at a time\n"


def begun(project: Project, then: str = "sys.stdin.read(); print('done')") -> tuple[subprocess.Popen[str], int]:
    """A job that has begun, and waits for its standard input to end, and its process."""
    client = project.start(f"import sys, time; print(flush=True); {then}")
    assert client.stdout is not None
    client.stdout.readline()
    (job,) = project.jobs()
    return client, job


@pytest.mark.parametrize("whom", [os.kill, os.killpg])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_the_client_or_its_group_end_the_job(project, whom, number):
    client, job = begun(project, "time.sleep(600)")
    with client:
        whom(client.pid, number)
        _, errors = client.communicate(timeout=PATIENCE)
    assert client.returncode == 128 + number
    assert not Path(f"/proc/{job}").exists()
    assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)
    assert "error: " not in errors


def test_a_client_that_is_killed_leaves_its_job_running(project):
    client, job = begun(project)
    client.kill()
    client.wait()
    assert project.jobs() == [job]
    assert project.run("print('next')")[1] == "next\n"
    client.communicate()
    wait_until(lambda: not project.jobs())


def test_the_server_leaves_after_snakemake_and_the_last_job(project):
    client, _ = begun(project)
    with client:
        project.snakemake.kill()
        project.snakemake.wait()
        assert project.run("print('alone')")[:2] == (0, "alone\n")
        assert len(project.servers()) == 1
        assert client.communicate() == ("done\n", "")
    assert client.returncode == 0
    wait_until(lambda: not project.servers())


def test_a_server_that_dies_under_a_job_is_told_in_one_line(project):
    client, job = begun(project)
    os.kill(project.servers()[0], signal.SIGKILL)
    assert client.wait(PATIENCE) == 1
    assert project.jobs() == [job]
    _, errors = client.communicate()
    assert errors == "error: the fork server died; its log is logs/forkserver.log; run the same again\n"
    assert project.run("print('next')")[:2] == (0, "next\n")


def test_a_server_that_does_not_answer_is_not_waited_for(project):
    project.facts("1")
    (server,) = project.servers()
    os.kill(server, signal.SIGSTOP)
    launch = project.path / "pipeline" / "launch.py"
    launch.write_text(launch.read_text().replace("PATIENCE = 60.0", "PATIENCE = 0.2"))
    with project.start("import os; print(os.getppid())") as client:
        assert client.stdout is not None
        assert client.stdout.readline() == f"{os.getpid()}\n"
    os.kill(server, signal.SIGCONT)
    assert project.facts("os.getppid()") == server


def test_a_broken_server_harms_no_job(project):
    (project.path / "pipeline" / "forkserver.py").write_text("1 / 0\n")
    assert project.facts("os.getppid()") == os.getpid()
    assert "ZeroDivisionError" in (project.path / "logs" / "forkserver.log").read_text()


def test_an_unknown_stage_is_a_mistake(project):
    _, _, errors = project.run("", stage="tyo")
    assert errors == "error: unknown stage 'tyo'; did you mean 'toy'?\n"


def test_only_runs_on_this_machine_are_announced_and_the_user_has_the_last_word(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    announce(False)
    assert os.environ[VARIABLE] == ""
    announce(True)
    assert os.environ[VARIABLE] == ""
    monkeypatch.delenv(VARIABLE)
    announce(True)
    assert os.environ[VARIABLE].startswith(f"{os.getpid()}-")
    monkeypatch.delenv(VARIABLE)


NUMBERS = """
import hashlib, re
import numpy, torch
from pathlib import Path
torch.set_num_threads(2)
torch.manual_seed(0)
layer = torch.nn.Conv2d(8, 8, 3)
optimizer = torch.optim.Adam(layer.parameters())
for _ in range(20):
    layer(torch.randn(4, 8, 64, 64)).square().mean().backward()
    optimizer.step()
square = numpy.random.default_rng(0).standard_normal((500, 500))
total = hashlib.sha256(layer.weight.detach().numpy().tobytes() + (square @ square).tobytes()).hexdigest()
print(total, torch.get_num_threads(), torch.get_num_interop_threads(), torch.cuda._is_in_bad_fork())
"""


@pytest.mark.slow
def test_numbers_and_threads_are_those_of_a_fresh_process(project):
    (project.path / "pipeline" / "toy").rename(project.path / "pipeline" / "train")
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    forked = project.run(NUMBERS, stage="train", **threads)
    status = Path(f"/proc/{project.servers()[0]}/status").read_text()
    assert "\nThreads:\t1\n" in status
    alone = project.run(NUMBERS, stage="train", **threads, **ALONE)
    assert forked == alone
    assert forked[1].split()[1] == "2"
    assert forked[1].split()[3] == "False"


@pytest.mark.slow
def test_a_run_without_the_server_ends_with_the_same_bytes(finished_miniature, tmp_path):
    project = finished_miniature.copy(tmp_path / "project")
    assert (project.path / "logs" / "forkserver.log").read_text() == ""
    for name in ("models/sample/toy_trained", "results/scores/sample/toy_trained", "work", "logs"):
        shutil.rmtree(project.path / name)
    project.snakemake("train", "evaluate", **ALONE)
    assert (project.path / "logs" / "train" / "sample" / "toy_trained").exists()
    assert not (project.path / "logs" / "forkserver.log").exists()
    assert project.products() == finished_miniature.products()
