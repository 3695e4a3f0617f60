"""Software of control servers, as ``make release`` makes it, where a lab's machines fetch it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labs.lab import SIDE
from labs.netns import Namespace
from vdc.home import Home
from vdc.toolchain.found import paths

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


def server_release(folder: Path) -> Path:
    """The archive for this architecture, made in a folder of its own."""
    path = f"{paths(Home.of_user()).nomad.parent}{os.pathsep}{os.environ['PATH']}"
    arch = _ARCHITECTURES[platform.machine()]
    words = (sys.executable, "-m", "vdc.provider.release", "--arch", arch, "--into", str(folder))
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path})
    (made,) = folder.glob("vdc-server-*.tar.gz")
    return made


@contextmanager
def offered(network: Namespace, file: Path) -> Iterator[dict[str, str]]:
    """Meanwhile this side of a lab has the file; the declared ``bundle``."""
    with network.entered():
        handler = functools.partial(_Handler, directory=str(file.parent))
        server = http.server.ThreadingHTTPServer((SIDE, 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://{SIDE}:{server.server_address[1]}/{file.name}"
        yield {"url": url, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
