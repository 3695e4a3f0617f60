"""The API of AWS on this machine: a moto server, its process and port a test's own."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ACCOUNT = "123456789012"
REGION = "eu-central-1"


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of one that knows nothing yet."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            found = (re.search(r"Running on (http://\S+)", line) for line in server.stderr)
            address = next(match[1] for match in found if match)
            # It writes a line for each request, and would stop at a full pipe.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield address
        finally:
            server.terminate()


def surroundings(address: str) -> dict[str, str]:
    """The environment in which the SDK asks this server, and reads nothing of the user's."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "lab",
        "AWS_SECRET_ACCESS_KEY": "lab",
        "AWS_CONFIG_FILE": "/nowhere/config",
        "AWS_SHARED_CREDENTIALS_FILE": "/nowhere/credentials",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
