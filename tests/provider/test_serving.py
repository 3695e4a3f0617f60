"""The provider's process and the engine that has started it: they end together."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

ENGINE = """
import grpc, signal
from concurrent import futures
server = grpc.server(futures.ThreadPoolExecutor(1))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
signal.pause()
"""
SECONDS = 20

Running = subprocess.Popen[str]


@contextmanager
def running(*words: str) -> Iterator[Running]:
    command = [sys.executable, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def port(process: Running) -> int:
    assert process.stdout
    return int(process.stdout.readline())


@pytest.fixture
def engine() -> Iterator[Running]:
    with running("-c", ENGINE) as engine:
        yield engine


@pytest.fixture
def started(engine: Running) -> Iterator[Running]:
    """A provider that serves its engine."""
    with running("-m", "vdc.provider.main", f"127.0.0.1:{port(engine)}") as provider:
        assert port(provider)
        yield provider


def test_it_ends_when_its_engine_is_gone(engine, started):
    engine.kill()
    assert started.wait(SECONDS) == 1


def test_it_ends_when_it_is_told_to(started):
    started.send_signal(signal.SIGINT)
    assert started.wait(SECONDS) == 0


def test_an_engine_that_is_slow_to_answer_is_not_gone(engine):
    at = f"127.0.0.1:{port(engine)}"
    engine.send_signal(signal.SIGSTOP)
    with running("-m", "vdc.provider.main", at) as provider:
        assert port(provider)
        with pytest.raises(subprocess.TimeoutExpired):
            provider.wait(2.5)
        engine.send_signal(signal.SIGCONT)
        engine.kill()
        assert provider.wait(SECONDS) == 1


def test_one_that_was_gone_before_it_started_is_served_by_nobody(engine):
    at = f"127.0.0.1:{port(engine)}"
    engine.kill()
    engine.wait()
    with running("-m", "vdc.provider.main", at) as provider:
        assert provider.wait(SECONDS) == 1
