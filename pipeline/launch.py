"""`python -m pipeline.launch STAGE ...`: what `python -m pipeline.STAGE ...` does, without importing torch every time.

That import takes longer than many a job. So the jobs of one Snakemake share a process that has done it: the first of
them starts it (pipeline/forkserver.py), each hands over its arguments and standard streams, waits, and leaves with the
exit code of the process forked for it. Where that cannot be (by hand, on a cluster's node, under torchrun, after any
fault before the job has begun) the stage takes over this process.
"""

import hashlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from pipeline.errors import UserError, nearest, run

VARIABLE = "GLIMPSE_FORKSERVER"
"""Names the run that shares a server: Snakemake's process id, `-`, a random word. Empty: no job is forked."""
PATIENCE = 60.0
"""Seconds a server may take to begin a job, imports included; after that the job starts by itself."""
GRACE = 0.5
"""Seconds after a signal in which a job may end of itself: one from the terminal has reached it too."""
ROOM = 8192
"""Bytes of the server's command line, which a forked process fills with its own for `ps` to show."""
INHERITED = ("Umask:", "Uid:", "Gid:", "Groups:", "SigBlk:", "SigIgn:", "CapEff:", "Cpus_allowed:", "Mems_allowed:")
"""Lines of /proc/self/status that a process takes over from its parent."""


def announce(here: bool) -> None:
    """Let the jobs that this process will start share a server: if they run `here`, and the user has not said no."""
    os.environ.setdefault(VARIABLE, f"{os.getpid()}-{os.urandom(16).hex()}" if here else "")


def main() -> None:
    """Run the stage that the command line names, in a forked process or in this one."""
    stages = sorted(path.parent.name for path in Path(__file__).parent.glob("*/__main__.py"))
    stage = next(iter(sys.argv[1:]), "")
    if stage not in stages:
        raise UserError(f"unknown stage '{stage}'; {nearest(stage, stages)}")
    command = [f"pipeline.{stage}", *sys.argv[2:]]
    if os.environ.get(VARIABLE) and "WORLD_SIZE" not in os.environ:  # no two of torchrun's ranks have one environment
        with suppress(OSError):
            run_forked(command)
    os.execv(sys.executable, [sys.executable, "-m", *command])


def run_forked(command: list[str]) -> None:
    """Have `command`, a module and its arguments, run by the server, and leave with its exit code.

    Returns, or raises `OSError`, only where the job has not begun.
    """
    with connect() as server:
        job = Forked(server)
        socket.send_fds(server, [b"\0".join(map(os.fsencode, command))], [0, 1, 2])
        if job.begins():
            sys.exit(job.wait())


def connect() -> socket.socket:
    """A connection to the server of this run; whoever finds none starts it.

    The address is abstract: it lives in the kernel, only one process can have it, and it vanishes with that process.
    """
    address = f"\0glimpse-{conditions()}"
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for _ in range(100):
        with suppress(ConnectionRefusedError):
            connection.connect(address)
            break
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, suppress(OSError):
            listener.bind(address)
            listener.listen(128)
            start(listener.fileno())
            connection.connect(address)
            break
        time.sleep(0.01)  # another job has the address, and is about to listen
    if struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1] != os.geteuid():
        raise PermissionError("not our server")  # the process id is 0, and the user -1, where nothing is connected
    return connection


def conditions() -> str:
    """A digest of the run's name and of all that a process takes over from its parent.

    Libraries read the environment when they are imported (OMP_NUM_THREADS above all, which Snakemake sets for each
    job). So a server has the very conditions of those whom it serves, and a run has a server for each set of them.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    found = [
        (sys.executable, sys.version, Path.cwd(), sorted(os.environ.items())),
        [line for line in status if line.startswith(INHERITED)],
        [Path("/proc/self", name).read_text() for name in ("limits", "cgroup")],
        [Path("/proc/self/ns", name).readlink() for name in ("mnt", "pid")],
    ]
    return hashlib.sha256(repr(found).encode(errors="surrogateescape")).hexdigest()


def start(listener: int) -> None:
    """Start the server on the socket `listener`, in a process group of its own: no Ctrl-C is meant for it."""
    program = Path(__file__).with_name("forkserver.py")
    Path("logs").mkdir(exist_ok=True)
    with Path("logs", "forkserver.log").open("a") as log:
        subprocess.Popen(
            [sys.executable, program, str(listener), os.environ[VARIABLE].partition("-")[0], " " * ROOM],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener],
            process_group=0,
        )


class Forked:
    """The forked process of a job, as its client sees it."""

    def __init__(self, server: socket.socket) -> None:
        """`server` sends the process id when the job begins, and its exit code (-n after signal n) when it has ended.

        From now on SIGINT, SIGTERM and SIGHUP are for the job; before it has begun, they end this process.
        """
        self._server = server
        self._pid: int | None = None
        self._passed: set[int] = set()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)

    def begins(self) -> bool:
        """Wait for the job to begin; False where the server has left, `TimeoutError` where it does not answer."""
        self._server.settimeout(PATIENCE)
        answer = self._server.recv(64)
        self._server.settimeout(None)
        self._pid = int(answer) if answer else None
        return self._pid is not None

    def wait(self) -> int:
        """Wait for the end and return the exit code as a shell would: 128 + n after signal n."""
        with suppress(ConnectionResetError):
            answer = self._server.recv(64)
        if not answer:
            print("error: the fork server died; its log is logs/forkserver.log; run the same again", file=sys.stderr)
            return 1
        code = int(answer)
        if code < 0 and -code not in self._passed:
            hint = ", perhaps for want of memory: run fewer jobs at a time" if -code == signal.SIGKILL else ""
            print(f"error: the job was ended by {signal.Signals(-code).name}{hint}", file=sys.stderr)
        return code if code >= 0 else 128 - code

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if self._pid is None:
            sys.exit(128 + number)
        self._passed.add(number)
        if not select.select([self._server], [], [], GRACE)[0]:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)


if __name__ == "__main__":
    run(main)
