"""The public side of the lab's OpenStack: ``python -m labs.openstack.proxy FOLDER``.

Every service has its standard port here. A request is passed on unless a fault is asked for.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx

from labs.cloud_faults import Fault, next_for
from labs.openstack.settings import BEHIND, PORTS

HOST = "127.0.0.1"
_PATIENCE_S = 300.0
# Those of the connection, and those that are made again.
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date",
                  "server", "content-encoding"})  # fmt: skip
_SERVICES = {port: name for name, port in PORTS.items()}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: ClassVar[Path]
    behind: ClassVar[httpx.Client]

    def handle_any(self) -> None:
        """Answers one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        port = self.server.server_address[1]
        path = self.path.partition("?")[0]
        fault = next_for(self.faults, f"{self.command} {_SERVICES[port]}{path}")
        match fault:
            case Fault(does="throttle"):
                self._answer(429, {"Retry-After": "1"}, _error(429, "Too many requests"))
                return
            case Fault(does="fail"):
                self._answer(503, {}, _error(503, "The service is unavailable"))
                return
            case Fault(does="delay", seconds=seconds):
                time.sleep(seconds)
        answer = self.behind.request(
            self.command,
            f"http://{HOST}:{port + BEHIND}{self.path}",
            # The services make links from the name that they were called by.
            headers={"Accept-Encoding": "identity", **self.headers},
            content=body,
        )
        if fault is not None and fault.does == "lose":
            self.close_connection = True
            return
        self._answer(answer.status_code, answer.headers, answer.content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def _error(code: int, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def main() -> None:
    """Serves until it is ended."""
    _Handler.faults = Path(sys.argv[1], "faults")
    _Handler.behind = httpx.Client(timeout=_PATIENCE_S, trust_env=False)
    servers = [_Server((HOST, port), _Handler) for port in PORTS.values()]
    for server in servers:
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
