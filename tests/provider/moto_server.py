"""The API of AWS on this machine: a moto server, its process and port a test's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

ACCOUNT = "123456789012"
REGION = "eu-central-1"
IMAGE = "ami-12c6146b"
"""The one that it knows from the start."""

# Moto's own are a thousand for each region, and it makes them anew for each empty account.
_IMAGES = {"MOTO_AMIS_PATH": str(Path(__file__).with_name("moto_images.json"))}


@contextmanager
def moto_server(*, all_images: bool = False) -> Iterator[str]:
    """The address of one that knows nothing yet but an image.

    Args:
        all_images: It knows those that a publisher's parameters name as well.
    """
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    environment = {**os.environ, **({} if all_images else _IMAGES)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            found = (re.search(r"Running on (http://\S+)", line) for line in server.stderr)
            address = next(match[1] for match in found if match)
            # It writes a line for each request, and would stop at a full pipe.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            yield address
        finally:
            server.terminate()


@cache
def session() -> boto3.Session:
    """One for all clients: each session reads what the SDK knows of the services anew."""
    import boto3

    return boto3.Session(region_name=REGION)


def empty(address: str) -> None:
    """Makes a server's account as it was at the start."""
    request = urllib.request.Request(f"{address}/moto-api/reset", method="POST")  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        assert answer.status == 200


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
