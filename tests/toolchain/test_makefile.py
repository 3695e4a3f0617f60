"""The Makefile's own promises; what its targets call is tested where it lives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from toolchain.fakes import put

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True)


def test_a_python_that_is_too_old_is_refused_in_one_line(tmp_path: Path) -> None:
    locks = (f"toolchain/python/{name}.lock" for name in ("requirements", "uv"))
    for name in ("Makefile", "pyproject.toml", "toolchain/python/environment.py", *locks):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    # Any program that fails, as a Python 3.10 would when it is asked.
    old = put(tmp_path, "python3.10", b"#!/bin/sh\nexit 1\n")
    answer = make(tmp_path, ".venv", f"PYTHON={old}")
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[0] == (
        f"vdc needs Python 3.11 or newer, and {old} is not; say make PYTHON=…"
    )
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("target", ["up", "down", "test", "check", "bench", "labs", "clean"])
def test_every_target_says_what_it_does(target: str) -> None:
    assert f"  make {target} " in make(ROOT, "help").stdout
    assert 'echo "==> ' in make(ROOT, "--dry-run", target).stdout
