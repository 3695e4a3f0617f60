"""The environment of Python: kept in the cache by its locks, and taken whole."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[2] / "toolchain/python/environment.py"


@pytest.fixture(scope="module")
def environment() -> ModuleType:
    """The program as a module; it is no part of any package."""
    spec = util.spec_from_file_location("environment", PROGRAM)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """What an installer leaves behind, in little."""
    kept = tmp_path / "cache" / "kept"
    (kept / "bin").mkdir(parents=True)
    (kept / "bin/python").symlink_to(sys.executable)
    script = kept / "bin/tool"
    script.write_text(f"#!{kept}/bin/python\nimport sys\nprint(sys.orig_argv[0])\n")
    script.chmod(0o755)
    (kept / "bin/binary").write_bytes(b"\0" + os.fsencode(kept))
    (kept / "lib").mkdir()
    (kept / "lib/module.py").write_text("")
    (kept / ".kept").touch()
    return kept


def test_its_files_are_links_and_its_scripts_are_its_own(environment, kept, tmp_path) -> None:
    place = tmp_path / ".venv"
    environment.take(kept, place)
    assert (place / "lib/module.py").samefile(kept / "lib/module.py")
    assert (place / "bin/binary").samefile(kept / "bin/binary")
    said = subprocess.run([place / "bin/tool"], capture_output=True, text=True, check=True).stdout
    assert said == f"{place}/bin/python\n"
    assert str(kept) in (kept / "bin/tool").read_text(), "the kept one is as it was"
    assert sorted(path.name for path in place.iterdir()) == ["bin", "lib"]


def test_what_was_there_before_is_replaced(environment, kept, tmp_path) -> None:
    place = tmp_path / ".venv"
    for left in (place, tmp_path / ".venv.new", tmp_path / ".venv.old"):
        (left / "lib").mkdir(parents=True)
        (left / "lib/of_another_lock.py").touch()
    environment.take(kept, place)
    assert not list(tmp_path.glob(".venv*/**/of_another_lock.py"))
    assert [path.name for path in tmp_path.glob(".venv*")] == [".venv"]


def test_another_file_system_gets_copies(environment, kept, tmp_path, monkeypatch) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    environment.take(kept, tmp_path / ".venv")
    assert not (tmp_path / ".venv/lib/module.py").samefile(kept / "lib/module.py")


def test_each_lock_has_its_own(environment, tmp_path) -> None:
    locks = [tmp_path / name for name in ("uv.lock", "main.lock", "labs.lock")]
    for lock in locks:
        lock.write_text(lock.name)
    keys = {environment.key(locks[:2]), environment.key(locks)}
    locks[1].write_text("another version")
    keys |= {environment.key(locks[:2]), environment.key(locks)}
    assert len(keys) == 4


def test_an_environment_that_was_left_half_made_is_made_anew(
    environment, tmp_path, monkeypatch
) -> None:
    folder = tmp_path / "cache"
    locks = [tmp_path / name for name in ("uv.lock", "main.lock")]
    for lock in locks:
        lock.write_text("")
    made = []

    def make(_locks: list[Path], kept: Path) -> None:
        made.append(kept)
        kept.mkdir(exist_ok=True)
        if len(made) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(environment, "_make", make)
    with pytest.raises(KeyboardInterrupt):
        environment.keep(folder, locks)
    assert environment.keep(folder, locks) == environment.keep(folder, locks) == made[1]
    assert len(made) == 2


def test_what_nobody_took_for_a_month_goes(environment, tmp_path) -> None:
    for name, age in (("old", environment._UNUSED_S + 60), ("used", 0)):
        stamp = tmp_path / name / ".kept"
        stamp.parent.mkdir()
        stamp.touch()
        os.utime(stamp, (stamp.stat().st_mtime - age,) * 2)
    environment._forget_unused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
