"""Engines of three lines, archives of them, a release host on loopback."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def program(says: str) -> bytes:
    """An engine that says its version and does nothing else."""
    return f"#!/bin/sh\necho '{says}'\n".encode()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def sums(files: dict[str, bytes]) -> bytes:
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    return "".join(lines).encode()


def put(folder: Path, name: str, content: bytes) -> Path:
    """Puts a program into a folder."""
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o755)
    return path


@dataclass
class Recorder:
    """A reporter that remembers."""

    lines: list[str] = field(default_factory=list)
    bytes: int = 0

    def say(self, label: str, text: str) -> None:
        """Keeps the line."""
        self.lines.append(f"{label}: {text}")

    @contextmanager
    def download(self, label: str, name: str, size: int | None):
        """Keeps a line and counts the bytes."""
        self.say(label, f"downloading {name} {size}")

        def advance(count: int) -> None:
            self.bytes += count

        yield advance

    @contextmanager
    def build(self, label: str):
        """Keeps every line of the output."""
        yield lambda line: self.say(label, line)


@dataclass
class ReleaseHost:
    """What it serves, how, and what it was asked for.

    Attributes:
        files: Content by file name.
        cut: Names whose connection is closed in the middle of the body.
        gate: While it is clear, bodies are not sent.
        asked: Names in the order of requests.
        reached: Set when a request is waiting at the gate.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    gate: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    reached: threading.Event = field(default_factory=threading.Event)
    address: str = ""


@contextmanager
def serving(host: ReleaseHost) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.rpartition("/")[2]
            host.asked.append(name)
            if name not in host.files:
                self.send_error(404)
                return
            body = host.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not host.gate.is_set():
                host.reached.set()
                host.gate.wait()
            self.wfile.write(body[: len(body) // 2] if name in host.cut else body)

        def log_message(self, *_arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    host.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        host.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
