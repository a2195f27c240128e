"""A local web server that can stall, cut and lie, and the jobs that fetch from it."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pipeline.download.fetch import Patience

HASTE = Patience(connect=2, read=0.3, rounds=3, pause=0.01)
"""Small waits for tests."""


class Server:
    """Serves `files`; each request takes the next of `faults` (none left: it behaves). `log` holds (path, range)."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.tag = ""
        self.log: list[tuple[str, str]] = []
        self.release = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def do_HEAD(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *_: Any) -> None:
                pass  # a client that leaves is what the tests are about

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        if handler.command == "GET":
            self.log.append((handler.path, asked))
        fault = self.faults.pop(0) if self.faults and handler.command == "GET" else ""
        handler.close_connection = True
        body = self.files.get(handler.path)
        if body is None or fault.isdecimal():
            handler.send_error(int(fault or 404))
            return
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and fault != "no range" else 0
        if handler.headers.get("If-Range", self.tag) != self.tag:
            begin = 0
        if begin >= len(body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            handler.send_header("Content-Length", "5")
            handler.end_headers()
            handler.wfile.write(b"sorry")
            return
        rest = bytes(len(body)) if fault == "corrupt" else body[begin:]
        handler.send_response(206 if begin else 200)
        if begin:
            stated = begin + 7 if fault == "wrong range" else begin
            handler.send_header("Content-Range", f"bytes {stated}-{len(body) - 1}/{len(body)}")
        if self.tag:
            handler.send_header("ETag", self.tag)
        if fault != "no length":
            lie = {"long": 100, "short": -100}.get(fault, 0)
            handler.send_header("Content-Length", str(len(rest) + lie))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        share = re.fullmatch(r"(cut|stall) (\d+)", fault)
        handler.wfile.write(rest[: int(share[2])] if share else rest)
        if share and share[1] == "stall":
            handler.wfile.flush()
            self.release.wait(20)

    def close(self) -> None:
        self.release.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A fresh server."""
    server = Server()
    yield server
    server.close()
