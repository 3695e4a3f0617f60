"""Hosts of libvirt's own test driver: real libvirt code over machines that are only records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from vdc.plan.model import Size
from vdc.provider.drivers.libvirt import hosts
from vdc.provider.drivers.libvirt.driver import LibvirtDriver
from vdc.provider.drivers.libvirt.model import HostSpec, Image, Nat, Template
from vdc.provider.drivers.libvirt.names import realm

REALM = realm("dc", "dev", "ca")
IMAGE = b"QFI\xfb" + bytes(20) + (1 << 30).to_bytes(8) + bytes(4000)


class Sent:
    """Stands for the upload that the test driver lacks; keeps what would have been written."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.failure: BaseException | None = None

    def __call__(self, connection: Any, volume: Any, chunks: Iterable[bytes]) -> None:
        """Takes it all, as a host would, unless it is to fail."""
        content = b"".join(chunks)
        if self.failure:
            raise self.failure
        self.contents[volume.name()] = content


class Rack:
    """Some hosts, each with a state of its own, and drivers for groups on them."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self.folder = folder
        self.sent = Sent()
        self.admitted: list[str] = []
        self.revoked: list[str] = []
        self.living: list[str] = []
        self.image = folder / "image.qcow2"
        self.image.write_bytes(IMAGE)
        self.specs = {name: self._host(name) for name in names}

    def _host(self, name: str) -> HostSpec:
        file = self.folder / f"{name}.xml"
        file.write_text("<node/>")
        return HostSpec(name, f"test://{file}")

    def connection(self, name: str) -> Any:
        """The driver's own connection: the test driver's state lives in it."""
        return hosts.host(self.specs[name]).connection

    def template(self, **changes: Any) -> Template:
        """A group of two small machines over all hosts."""
        given = {
            "realm": REALM,
            "owner": "dev/lab/workers",
            "site": "lab",
            "prefix": "dc-lab-workers",
            "names": ("dc-lab-workers-0", "dc-lab-workers-1"),
            "hosts": tuple(self.specs.values()),
            "network": Nat("10.90.0.0/24"),
            "image": Image(str(self.image), hashlib.sha256(self.image.read_bytes()).hexdigest()),
            "machine": "auto",
            "arch": "i686",  # what the test driver offers
            "init": "cloud-init",
            "size": Size(1000, 64, 1024),
        }
        return Template(**{**given, **changes})

    def driver(
        self, words: str = "hello", *, forget_silent: bool = False, **changes: Any
    ) -> LibvirtDriver:
        """A fresh driver, as each run of the provider has one."""

        async def admit(name: str) -> str:
            self.admitted.append(name)
            return f"secret-of-{name}"

        async def revoke(name: str) -> None:
            self.revoked.append(name)

        async def living() -> list[str]:
            return self.living

        def userdata(name: str, secret: str, incarnation: str) -> dict[str, str]:
            return {"user-data": f"{words} {name} {secret}", "meta-data": incarnation}

        return LibvirtDriver(
            self.template(**changes),
            userdata,
            self.folder / "ledger" / "lab.workers.json",
            admit=admit,
            revoke=revoke,
            living=living,
            forget_silent=forget_silent,
            send=self.sent,
        )

    def domains(self, name: str) -> list[str]:
        """Names of a host's domains."""
        return sorted(domain.name() for domain in self.connection(name).listAllDomains())

    def volumes(self, name: str) -> list[str]:
        """Names of a host's volumes."""
        pools = self.connection(name).listAllStoragePools()
        return sorted(volume.name() for pool in pools for volume in pool.listAllVolumes())

    def networks(self, name: str) -> list[str]:
        """Names of a host's networks."""
        return sorted(network.name() for network in self.connection(name).listAllNetworks())


@pytest.fixture
def rack(tmp_path):
    """Two hosts, ``a`` and ``b``."""
    return Rack(tmp_path, "ab")
