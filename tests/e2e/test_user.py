"""The same as an ordinary user, who may neither mount nor make groups of processes."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.checkout import REPOSITORY, Checkout, checkout
from e2e.spark import ByVdc, computes_and_goes
from vdc.home import Home
from vdc.toolchain.found import cached, engine_path, find
from vdc.toolchain.pins import HOST, PINS

pytestmark = [
    pytest.mark.real,
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="every other test runs as an ordinary user"),
]

USER = "nobody"
PROGRAMS = ("vdc", "pulumi-resource-vdc")


@pytest.fixture
def ordinary() -> Iterator[Checkout]:
    """A checkout of a user who may enter neither this one's home nor this environment."""
    user = pwd.getpwnam(USER)
    # `env`, because setpriv itself still looks programs up with root's rights.
    ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    become = ("setpriv", *ids, "env")
    python = _python(become)
    shared = Path(tempfile.mkdtemp(prefix="vdc-user-", dir="/tmp"))
    shared.chmod(0o755)
    try:
        _environment(shared / "venv", python)
        _cache(shared / "cache", shared / "venv")
        with checkout(
            "ordinary", shared / "cache", prefix=become, scripts=shared / "venv" / "bin"
        ) as made:
            _give([shared / "cache", made.base], user)
            yield replace(
                made, environment={**made.environment, "HOME": str(made.base), "USER": USER}
            )
    finally:
        shutil.rmtree(shared)


def test_work_runs_as_the_user(ordinary: Checkout) -> None:
    ordinary.declare(workers=1)
    ordinary.vdc("up", "--yes")
    assert {process.username() for process in ordinary.agents().values()} == {USER}
    ran = ordinary.vdc("run", "--", "id", "-un")
    assert ran.stdout.strip() == USER
    ordinary.vdc("destroy", "--yes")
    assert ordinary.left() == []


def test_pi_is_computed_on_two_agents_and_another_cluster_runs_beside(ordinary: Checkout) -> None:
    computes_and_goes(ByVdc(ordinary))


def _give(folders: list[Path], user: pwd.struct_passwd) -> None:
    for folder in folders:
        for path in (folder, *folder.glob("**/*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _python(become: tuple[str, ...]) -> str:
    """An interpreter of this version that the user may run: one in a closed home is none."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    code = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
        done = subprocess.run(
            [*become, python, "-c", code], capture_output=True, text=True, check=False, cwd="/"
        )
        if done.stdout.strip() == version:
            return python
    pytest.skip(f"{USER} may run no Python {version} on this machine")


def _environment(venv: Path, python: str) -> None:
    """An environment on that interpreter, with the packages and programs of this one."""
    subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    packages = next((venv / "lib").glob("python3*/site-packages"))
    sources = (sysconfig.get_path("purelib"), REPOSITORY / "modules")
    (packages / "shared.pth").write_text("".join(f"{source}\n" for source in sources))
    for name in PROGRAMS:
        text = (Path(sys.prefix) / "bin" / name).read_text()
        program = venv / "bin" / name
        program.write_text(text.replace(sys.prefix, str(venv)))
        program.chmod(0o755)


def _cache(cache: Path, venv: Path) -> None:
    """Engines and software as in the user's cache, and the language host's place in ``venv``."""
    own = Home.of_user()
    if own.packages.exists():
        shutil.copytree(own.packages, Home(cache, cache).packages, symlinks=True)
    engines = [(pin, engine_path(pin.engine, own)) for pin in PINS]
    if ours := find(HOST, own).path:  # else the official one came with Pulumi
        engines.append((HOST, ours))
    for pin, program in engines:
        engine = cached(pin, Home(cache, cache))
        engine.parent.mkdir(parents=True)
        shutil.copy2(program, engine)
    subprocess.run(
        [venv / "bin/python", "-m", "vdc.toolchain", "install"],
        env=os.environ | {"VDC_HOME": str(cache), "VDC_CACHE": str(cache)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
