"""The lab as a whole: a network, OpenStack's services on this side of it, and their proxy."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import yaml

from labs import cloud_faults
from labs.boots import BRIDGE, Boots, remove_nodes
from labs.lab import SIDE, NamedLab
from labs.openstack.settings import BEHIND, PORTS, Settings
from labs.openstack.software import SERVICES, software
from nomad_lab import wait_for
from vdc.provider import processes

if TYPE_CHECKING:
    from openstack.connection import Connection

_TESTS = Path(__file__).parents[2]
_START_S = 120.0
# A question costs OpenStack as much as it takes a server forward.
_POLL_S = 3.0
_WSGI = {
    "keystone": "keystone.wsgi.api",
    "glance": "glance.wsgi.api",
    "placement": "placement.wsgi.api",
    "neutron": "neutron.wsgi.api",
}


class Lab(NamedLab):
    """A network with OpenStack's services on its loopback, and servers on :data:`SIDE`'s bridge."""

    KIND = "openstack"

    @property
    def clouds(self) -> Path:
        """A ``clouds.yaml`` with the cloud ``lab``, whose user is a member and no more."""
        return self.folder / "clouds.yaml"

    @property
    def logs(self) -> Path:
        """One log per service."""
        return self.folder / "log"

    # --- use ------------------------------------------------------------------------

    @contextmanager
    def administrator(self) -> Iterator[Connection]:
        """The API for who may do all, past the proxy; this thread is in the lab meanwhile."""
        from labs.openstack import cloud

        with self.network.entered(), closing(cloud.administrator()) as connection:
            yield connection

    @contextmanager
    def boots(self) -> Iterator[Boots]:
        """Meanwhile every server that the API shows as running does run."""
        from labs.openstack import cloud

        with (
            self.administrator() as connection,
            Boots(self, lambda: cloud.instances(connection), _POLL_S) as boots,
        ):
            yield boots

    @contextmanager
    def fault(self, fault: cloud_faults.Fault) -> Iterator[Callable[[], list[str]]]:
        """Meanwhile something goes wrong; gives a function that says what has met it."""
        folder, name = self.folder / "faults", secrets.token_hex(3)
        cloud_faults.ask(folder, name, fault)
        try:
            yield lambda: cloud_faults.met(folder, name)
        finally:
            cloud_faults.forget(folder, name)

    @contextmanager
    def quota(self, **limits: int) -> Iterator[None]:
        """Meanwhile the user's project may have no more: ``instances``, ``cores``, ``ram``."""
        from labs.openstack import cloud

        with self.administrator() as connection:
            cloud.limit(connection, limits)
        try:
            yield
        finally:
            with self.administrator() as connection:
                cloud.limit(connection, dict.fromkeys(limits, -1))

    # --- life -----------------------------------------------------------------------

    def usage(self) -> Iterator[str]:
        """What a shell has to be told."""
        yield f"export OS_CLIENT_CONFIG_FILE={self.clouds} OS_CLOUD=lab"

    def _begin(self) -> None:
        made = software()
        self.network.bridge(BRIDGE, f"{SIDE}/24")
        settings = Settings(self.folder, made.environment)
        settings.write()
        self._copy_databases(made.databases)
        self._write_clouds()
        self._start(settings, made.python)
        from labs.openstack import cloud

        with self.administrator() as connection:
            cloud.furnish(connection)

    def _end(self) -> None:
        remove_nodes(self)

    def _copy_databases(self, new: Path) -> None:
        shutil.copytree(new / "db", self.folder / "db", dirs_exist_ok=True)
        # One of nova's databases says where the others are.
        with closing(sqlite3.connect(self.folder / "db" / "nova_api.sqlite")) as database:
            database.execute(
                "UPDATE cell_mappings SET database_connection = replace(database_connection, ?, ?)",
                (str(new), str(self.folder)),
            )
            database.commit()

    def _write_clouds(self) -> None:
        from labs.openstack import cloud

        entry = {"auth": cloud.credentials("lab"), "region_name": cloud.REGION}
        self.clouds.write_text(yaml.safe_dump({"clouds": {cloud.CLOUD: entry}}))

    def _start(self, settings: Settings, python: Path) -> None:
        started = {}
        for name, module in _WSGI.items():
            port = str(PORTS[name] + BEHIND)
            words = (str(python), str(SERVICES / "wsgi.py"), module, port)
            started[name] = self._run_service(name, settings.environment(name), *words)
        # Nova asks all of them as soon as it starts.
        self._wait(started)
        configuration = ("--config-file", str(settings.file("nova.conf")))
        nova = (str(python), str(SERVICES / "compute.py"), *configuration)
        proxy = (sys.executable, "-m", "labs.openstack.proxy", str(self.folder))
        self._wait({"nova": self._run_service("nova", settings.environment("nova"), *nova)})
        self._run_service("proxy", {"PYTHONPATH": str(_TESTS)}, *proxy)
        wait_for("the proxy", lambda: self._answers(PORTS["keystone"]), _START_S)
        wait_for("the compute hosts", self._hosts_are_known, _START_S)

    def _run_service(self, name: str, variables: dict[str, str], *words: str) -> psutil.Process:
        environment = ("env", *(f"{key}={value}" for key, value in variables.items()))
        command = self.command(*environment, *words)
        return processes.start(command, self.folder, self.logs / f"{name}.log")

    def _wait(self, started: dict[str, psutil.Process]) -> None:
        for name, process in started.items():

            def answers(name: str = name, process: psutil.Process = process) -> bool:
                log = self.logs / f"{name}.log"
                assert processes.alive(process), processes.last_words(log, 10)
                return self._answers(PORTS[name] + BEHIND)

            wait_for(name, answers, _START_S)

    def _answers(self, port: int) -> bool:
        with self.network.entered():
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
            except httpx.TransportError:
                return False
        return True

    def _hosts_are_known(self) -> bool:
        with closing(sqlite3.connect(self.folder / "db" / "nova_api.sqlite")) as database:
            (count,) = database.execute("SELECT count(*) FROM host_mappings").fetchone()
        return bool(count == 2)


openstack_lab = Lab.standing
