"""What tests of the groups' resources share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def nomad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program to be packed, and a cache of its own."""
    program = tmp_path / "bin" / "nomad"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    monkeypatch.setenv("VDC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VDC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
