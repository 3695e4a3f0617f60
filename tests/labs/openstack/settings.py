"""Where OpenStack's services are and what they are told; templates of it are in ``etc``."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from string import Template

# Each service by its standard port, which the proxy has, and behind it at 10000 more.
PORTS = {"keystone": 5000, "glance": 9292, "placement": 8778, "nova": 8774, "neutron": 9696}
DATABASES = tuple(PORTS)
BEHIND = 10_000
# Only this side of a lab reaches its services.
PASSWORD = "lab"
_ETC = Path(__file__).with_name("etc")
_SERVICES = Path(__file__).with_name("services")
_FOLDERS = ("db", "etc", "images", "images-staged", "images-tasks", "keys/credential",
            "keys/fernet", "locks", "log", "neutron", "nova/instances", "faults")  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The configuration of one OpenStack.

    Attributes:
        folder: Holds it, and everything that its services write.
        venv: The virtual environment of its programs.
    """

    folder: Path
    venv: Path

    def write(self) -> None:
        """Makes the folder's parts, its keys and every service's file."""
        for part in _FOLDERS:
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for name in ("fernet", "credential"):
            self._write_keys(self.folder / "keys" / name)
        words = {
            "folder": str(self.folder),
            "environment": str(self.venv),
            "credentials": _filled(_ETC / "credentials", {"password": PASSWORD}),
        }
        for template in _ETC.glob("*.conf"):
            self.file(template.name).write_text(_filled(template, words))

    def file(self, name: str) -> Path:
        """A service's file."""
        return self.folder / "etc" / name

    def environment(self, service: str) -> dict[str, str]:
        """How a service finds its file, and code of the lab that it loads."""
        etc = str(self.folder / "etc")
        own = {
            "keystone": {"OS_KEYSTONE_CONFIG_FILES": f"{etc}/keystone.conf"},
            "glance": {"OS_GLANCE_CONFIG_DIR": etc},
            "placement": {"OS_PLACEMENT_CONFIG_DIR": etc},
            "neutron": {"OS_NEUTRON_CONFIG_DIR": etc, "OS_NEUTRON_CONFIG_FILES": "neutron.conf"},
            "nova": {"VDC_LAB_FAULTS": str(self.folder / "faults")},
        }
        return {"PYTHONPATH": str(_SERVICES), **own[service]}

    def _write_keys(self, folder: Path) -> None:
        """What keystone's own commands make: one key in use, one that is next."""
        folder.chmod(0o700)
        for number in "01":
            key = folder / number
            key.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
            key.chmod(0o600)


def _filled(template: Path, words: dict[str, str]) -> str:
    return Template(template.read_text()).substitute(words)
