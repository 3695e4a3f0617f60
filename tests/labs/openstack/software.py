"""OpenStack's programs in an environment of their own, and their databases when they are new."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from labs.openstack.settings import DATABASES, Settings
from vdc.home import Home

SERVICES = Path(__file__).with_name("services")
LOCK = Path(__file__).parents[3] / "toolchain" / "python" / "openstack.lock"
_UNUSED_DAYS = 14


@dataclass(frozen=True)
class Software:
    """What labs share and none of them changes.

    Attributes:
        environment: A virtual environment with all of ``openstack.lock``.
        databases: One file per service, as its own tool makes it; see :func:`moved`.
    """

    environment: Path
    databases: Path

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.environment / "bin" / "python"


def software() -> Software:
    """Installs what is locked, unless that was done before; it stays in the user's cache.

    Two minutes, most of which it compiles; more with ``pip``, which serves where ``uv`` does not.
    """
    cache = Home.of_user().cache / "labs"
    cache.mkdir(parents=True, exist_ok=True)
    # A virtual environment holds its own path, and so is made where it stays.
    environment = cache / f"openstack-{_sum(LOCK, sys.version)}"
    made_from = (SERVICES / "databases.py", SERVICES.with_name("settings.py"))
    databases = environment / f"databases-{_sum(*made_from)}"
    with FileLock(cache / "openstack.lock"):
        _once(environment, "Installing OpenStack for the labs", _install)
        software = Software(environment, databases)
        _once(databases, "Making OpenStack's databases", lambda _: _prepare(software))
        environment.touch()
        for other in cache.glob("openstack-*"):
            if time.time() - other.stat().st_mtime > _UNUSED_DAYS * 86400:
                shutil.rmtree(other)
    return software


def _once(folder: Path, said: str, make: Callable[[Path], None]) -> None:
    """A folder that is whole has a stamp in it; half a one is made again."""
    stamp = folder / ".complete"
    if stamp.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    print(f"==> {said}", flush=True)
    make(folder)
    stamp.touch()


def _install(environment: Path) -> None:
    _run(sys.executable, "-m", "venv", str(environment))
    python = environment / "bin" / "python"
    wanted = ("install", "--quiet", "--require-hashes", "-r", str(LOCK))
    places = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    try:
        uv = shutil.which("uv", path=places) or "uv"
        _run(uv, "pip", *wanted, "--system-certs", "--python", str(python))
    except (AssertionError, FileNotFoundError):
        # No uv, or one that does not know the package index, which only pip's settings name.
        _run(str(python), "-m", "pip", *wanted, "--disable-pip-version-check")
    # Where PYTHONDONTWRITEBYTECODE is set, every start would compile all of it.
    quiet = ("-m", "compileall", "-q", "-j", "0", "-x", "/tests/")
    subprocess.run([python, *quiet, environment / "lib"], check=False, capture_output=True)


def _prepare(software: Software) -> None:
    """Each service's own tool makes its tables; side by side, as nothing is shared."""
    folder = software.databases
    folder.mkdir()
    settings = Settings(folder, software.environment)
    settings.write()

    def make(service: str) -> None:
        program = (str(software.python), str(SERVICES / "databases.py"), service, str(folder))
        _run(*program, environment=settings.environment(service))

    with ThreadPoolExecutor() as pool:
        list(pool.map(make, DATABASES))


def _run(*words: str, environment: dict[str, str] | None = None) -> None:
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=variables
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-3000:]
        raise AssertionError(f"{' '.join(words)}: code {done.returncode}: {said}")


def _sum(*parts: Path | str) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.read_bytes() if isinstance(part, Path) else part.encode())
    return whole.hexdigest()[:16]
