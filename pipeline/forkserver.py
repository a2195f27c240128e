"""The fork server of a run: it has imported the large libraries, and forks a process for every job.

pipeline/launch.py starts it by its path, so that it imports nothing of the project: a job reads the code as it is when
the job begins. It computes nothing, starts no thread and asks for no GPU, since a forked process could use none of
these. It ends with the Snakemake that it serves, as soon as the last of its jobs has ended.
"""

import atexit
import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, NoReturn

SHARED = ("numpy", "numpy.random", "PIL.Image", "pydantic.main", "tqdm", "zarr")  # pydantic itself imports nothing
LIBRARIES = {
    "pipeline.render": (*SHARED, "numba", "torch"),
    "pipeline.train": (*SHARED, "safetensors.torch", "torch", "torch._dynamo", "torch.distributed"),
    "pipeline.synthesize": (*SHARED, "safetensors.torch", "torch", "torch._dynamo", "torch.distributed"),
    "pipeline.evaluate": (*SHARED, "safetensors.torch", "torch"),
}
"""What is imported before the first job of a stage is forked. Every optimizer imports `torch._dynamo`."""
IDLE = 120.0
"""Seconds without a job after which a server leaves, with its 400 MB of memory; the next job starts another."""
LONGEST = 1 << 20
"""Bytes of a request; the kernel allows fewer."""


class Request(NamedTuple):
    """A module to be run as `__main__`, with its arguments, on the standard streams of a client."""

    command: list[str]
    streams: list[int]
    group: int
    """The client's process group: whatever is sent to it from outside is for the job as well."""


class Server:
    """Forks for whoever connects to a listening socket, until a certain process has ended."""

    def __init__(self, listener: socket.socket, run: int) -> None:
        """Serve `listener` as long as the process `run` lives."""
        self._listener, self._run = listener, os.pidfd_open(run)
        self._selector = selectors.DefaultSelector()
        self._clients: set[socket.socket] = set()

    def serve(self) -> Request | None:
        """Serve to the end, then return None; in a forked process, return what that is to run."""
        self._watch(self._listener, self._accept)
        self._watch(self._run, self._close)
        while self._selector.get_map():
            ready = self._selector.select(IDLE)
            if not ready and not self._clients:
                break
            for key, _ in ready[:1]:  # one at a time, since what is done about it may make the next void
                request: Request | None = key.data()
                if request is not None:
                    return request
        return None

    def _watch(self, source: socket.socket | int, answer: Callable[[], object]) -> None:
        self._selector.register(source, selectors.EVENT_READ, answer)

    def _close(self) -> None:
        """Snakemake has ended, one way or another: accept no more."""
        for source in (self._listener, self._run):
            self._selector.unregister(source)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # gone already
            client, _ = self._listener.accept()
            if peer(client)[1] == os.geteuid():
                self._clients.add(client)
                self._watch(client, lambda: self._take(client))

    def _take(self, client: socket.socket) -> Request | None:
        """Fork for a client, or hang up, after which it runs its job by itself."""
        self._selector.unregister(client)
        request, process = None, None
        try:
            request = receive(client)
            process = prepare_and_fork(request)
        except Exception:  # whatever it is, it must not end the jobs of others
            traceback.print_exc()
        if process == 0:
            self._abandon()
            return request
        for stream in request.streams if request else ():
            os.close(stream)
        if process is None:
            self._hang_up(client)
        else:
            self._follow(process, client)
        return None

    def _follow(self, process: int, client: socket.socket) -> None:
        """Tell the client of the beginning and, later, of the end."""
        try:
            client.send(str(process).encode())
        except OSError:  # it has lost patience, and its job is about to run elsewhere
            os.kill(process, signal.SIGKILL)
        ended = os.pidfd_open(process)

        def tell() -> None:
            self._selector.unregister(ended)
            os.close(ended)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            with suppress(OSError):  # a client that was killed leaves an orphan
                client.send(str(code).encode())
            self._hang_up(client)

        self._watch(ended, tell)

    def _hang_up(self, client: socket.socket) -> None:
        self._clients.remove(client)
        client.close()

    def _abandon(self) -> None:
        """In a forked process: close all that is the server's, or a client would wait for its end as well."""
        processes = [key.fd for key in self._selector.get_map().values() if isinstance(key.fileobj, int)]
        self._selector.close()
        for connection in (self._listener, *self._clients):
            connection.close()
        for process in processes:
            os.close(process)


def peer(client: socket.socket) -> tuple[int, int]:
    """Process and user id of who connected."""
    process, user, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return process, user


def receive(client: socket.socket) -> Request:
    """Read the request of a client; `OSError` or `ValueError` where it has none, or is gone."""
    message, streams, _, _ = socket.recv_fds(client, LONGEST, 3, socket.MSG_CMSG_CLOEXEC)
    if len(streams) != 3:
        raise ValueError(f"a client handed over {len(streams)} streams")
    return Request([os.fsdecode(word) for word in message.split(b"\0")], streams, os.getpgid(peer(client)[0]))


def prepare_and_fork(request: Request) -> int:
    """Import what the stage needs; fork, and return the process id, 0 in the new process."""
    for name in LIBRARIES.get(request.command[0], ()):
        importlib.import_module(name)
    gc.freeze()  # or a collection in a forked process would touch, and so copy, all that was imported
    return os.fork()


def run(request: Request) -> NoReturn:
    """In a forked process: be what `python -m COMMAND` would be, and end the process.

    The interpreter is not taken down (with torch that takes longer than the imports that are left to a job), but all
    that the program may have asked for at its end is done.
    """
    command = [sys.executable, "-m", *request.command]
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    with suppress(OSError):  # another session
        os.setpgid(0, request.group)
    show_as(command)
    if "torch" in sys.modules and sys.modules["torch"].cuda._is_in_bad_fork():  # a library has asked for GPUs after all
        os.execv(sys.executable, command)
    sys.orig_argv[:], sys.argv[:] = command, command[2:]
    importlib.invalidate_caches()
    code = run_as_main(request.command[0])
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.modules["__main__"].__dict__.clear()
    gc.collect()  # writes what files hold that were not closed
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except (OSError, ValueError) as error:
            print(f"Exception ignored in: {file!r}\n{type(error).__name__}: {error}", file=sys.stderr)
            code = 120
    os._exit(code)


def run_as_main(module: str) -> int:
    """Run a module as `python -m` does; return the exit code that the interpreter would give it."""
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        runpy._run_module_as_main(module)  # type: ignore[attr-defined]
    except SystemExit as left:
        if left.code is None or isinstance(left.code, int):
            return (left.code or 0) & 0xFF
        print(left.code, file=sys.stderr)
        return 1
    except BaseException as error:
        ours = error.__traceback__
        sys.excepthook(type(error), error.with_traceback(ours and ours.tb_next), ours and ours.tb_next)
        return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def show_as(command: list[str]) -> None:
    """Have this process listed (by `ps`, say) as `command`, as far as the server's own arguments leave room for it."""
    with suppress(OSError, ValueError):
        start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
        text = b"\0".join(map(os.fsencode, command))[: end - start - 1]
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(text.ljust(end - start, b"\0"))


def main() -> None:
    """Serve the socket that is the first argument as long as the process lives that is the second."""
    if not sys.flags.safe_path:
        sys.path[0] = str(Path.cwd())  # as for `python -m`; the folder of this file holds modules of the project
    server = Server(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
    show_as([sys.executable, __file__])
    request = server.serve()
    if request is not None:
        run(request)
    os._exit(0)  # some libraries complain of how they are taken down


if __name__ == "__main__":
    main()
