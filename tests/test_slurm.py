"""profiles/slurm for real: a one-node Slurm with a pretend card trains, evaluates and reports one system."""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ETC = Path("/etc/slurm")  # nowhere else: the executor takes SLURM_CONF out of its jobs' environment
OURS = "# Written by tests/test_slurm.py"
CONFIGURATION = """{ours}
ClusterName=glimpse
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={worker}
SlurmUser=root
SlurmdUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
AccountingStorageType=accounting_storage/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=4000 {gres}
PartitionName=main Nodes=ALL Default=YES State=UP
"""


def why_not() -> str:
    """Why Slurm cannot run here; empty where it can."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun") if not shutil.which(name)]
    if missing:
        return f"not on the PATH: {', '.join(missing)}"
    if os.geteuid():
        return "only root starts Slurm's daemons"
    written = ETC / "slurm.conf"
    return f"{written} belongs to a cluster" if written.exists() and OURS not in written.read_text() else ""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def configure(folder: Path, *, cards: int) -> list[Path]:
    """Write Slurm's configuration for a node with `cards` pretend cards."""
    text = CONFIGURATION.format(
        ours=OURS,
        host=socket.gethostname().partition(".")[0],
        controller=free_port(),
        worker=free_port(),
        folder=folder,
        cores=os.cpu_count(),
        gres=f"Gres=gpu:{cards}" if cards else "",
    )
    written = {"slurm.conf": text, "gres.conf": f"{OURS}\n" + "Name=gpu File=/dev/zero\n" * cards}
    for name, content in written.items():
        (ETC / name).write_text(content)
    return [ETC / name for name in written]


@contextlib.contextmanager
def one_node(folder: Path, *, cards: int):
    """A Slurm of this machine alone, one at a time, its daemons gone afterwards."""
    ETC.mkdir(exist_ok=True)
    turn = os.open(ETC, os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    written = configure(folder, cards=cards)
    munge = [
        f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in ("key-file", "socket", "pid-file", "seed-file")
    ]
    daemons = []
    try:
        for command in (["munged", "--foreground", "--force", *munge], ["slurmctld", "-D"], ["slurmd", "-D"]):
            with (folder / f"{command[0]}.log").open("w") as log:
                daemons.append(subprocess.Popen(command, stdout=log, stderr=log))
            time.sleep(0.5)
        wait_until_idle(folder)
        yield
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(20)
        for path in written:
            path.unlink()
        os.close(turn)


def wait_until_idle(folder: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = subprocess.run(["sinfo", "--noheader", "--format=%T"], capture_output=True, text=True, check=False)
        if found.stdout.strip() == "idle":
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
    raise AssertionError(f"the node did not come up: {found.stdout}{found.stderr}\n{logs}")


needs_slurm = pytest.mark.skipif(bool(why_not()), reason=f"no Slurm: {why_not()}")
TABLE = "results/systems/toy_trained.tsv"


@pytest.fixture
def untrained(finished_miniature, tmp_path):
    """A finished project of which the chain of one system is missing."""
    project = finished_miniature.copy(tmp_path / "project")
    for folder in ("models/sample/toy_trained", "results/scores/sample/toy_trained", "work"):
        shutil.rmtree(project.path / folder)
    return project


@needs_slurm
def test_a_chain_on_slurm_ends_with_the_same_bytes(finished_miniature, untrained, tmp_path):
    with one_node(tmp_path / "slurm", cards=1):
        soon = ["--slurm-init-seconds-before-status-checks", "2"]
        ran = untrained.run("snakemake", "--profile", "profiles/slurm", *soon, TABLE)
    assert ran.stderr.count("has been submitted with SLURM jobid") == 2  # the table is written here
    assert len(re.findall(r"resources: .*\bgpu=1\b", ran.stderr)) == 2
    weights = "models/sample/toy_trained/clutter-n4/seed0/weights.safetensors"
    assert (untrained.path / weights).read_bytes() == (finished_miniature.path / weights).read_bytes()
    assert "\ttoy_trained\t" in (untrained.path / TABLE).read_text()


@needs_slurm
def test_a_cluster_without_cards_is_asked_for_none(untrained, tmp_path):
    with one_node(tmp_path / "slurm", cards=0):
        ran = untrained.run("snakemake", "--profile", "profiles/slurm", "--dry-run", TABLE)
    assert len(re.findall(r"resources: .*\bgpu=0\b", ran.stdout)) == 2
