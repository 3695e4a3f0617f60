"""Answers every GET with a message and the name of who answers. Standard library alone.

It listens before it imports what it needs to answer: the scheduler publishes the address as
soon as the process runs, and who connects in between waits instead of being refused. On
SIGTERM it finishes what it has begun and ends; the address has left the catalogue before that
(``shutdown_delay`` in the job file).
"""

import os
import socket

_listening = socket.create_server(
    (os.environ["HELLO_HOST"], int(os.environ["HELLO_PORT"])), backlog=128
)

import base64  # noqa: E402 - see above
import json  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer  # noqa: E402

ANSWER = {
    "message": base64.b64decode(os.environ["HELLO_MESSAGE"]).decode(),
    "app": os.environ["HELLO_APP"],
    "node": os.environ["HELLO_NODE"],
    "alloc": os.environ["NOMAD_ALLOC_ID"],
}


class Handler(BaseHTTPRequestHandler):
    """One connection; kept open between requests."""

    protocol_version = "HTTP/1.1"
    # Head and body leave together; apart, the second waits for the reader's delayed ACK.
    wbufsize = -1

    def do_GET(self) -> None:
        """Says the message, or on ``/healthz`` that all is well."""
        answer = {"status": "ok"} if self.path == "/healthz" else ANSWER
        body = json.dumps(answer, ensure_ascii=False).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """One line per request, but none for health checks: they would drown the rest."""
        if self.path != "/healthz":
            super().log_message(format, *args)


class Server(ThreadingHTTPServer):
    """Serves on the socket that listens already."""

    def __init__(self) -> None:
        super().__init__(_listening.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = _listening


def main() -> None:
    """Serves until SIGTERM."""
    server = Server()
    # shutdown() waits for the loop that the signal interrupts, so another thread calls it.
    stop = threading.Thread(target=server.shutdown)
    signal.signal(signal.SIGTERM, lambda *_: stop.start())
    host, port = _listening.getsockname()
    sys.stdout.write(f"hello from {ANSWER['node']} on http://{host}:{port}/\n")
    sys.stdout.flush()
    server.serve_forever(poll_interval=0.1)
    server.server_close()


if __name__ == "__main__":
    main()
