"""A release host on loopback, an empty home, and a PATH with nothing on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolchain.fakes import Recorder, ReleaseHost, serving
from vdc.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseHost]:
    """A release host for both engines; it has nothing until a test gives it something."""
    host = ReleaseHost()
    host.gate.set()
    with serving(host):
        monkeypatch.setenv("VDC_PULUMI_RELEASES", f"{host.address}/pulumi")
        monkeypatch.setenv("VDC_NOMAD_RELEASES", f"{host.address}/nomad")
        yield host


@pytest.fixture
def home(tmp_path: Path, bin_folder: Path) -> Home:  # noqa: ARG001
    """Nothing in the cache and, since an engine may come from there, nothing on PATH."""
    return Home(tmp_path / "data", tmp_path / "cache")


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, empty at first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
