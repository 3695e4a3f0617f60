"""How one user reaches one pool."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vdc.errors import PoolError
from vdc.home import Home


@dataclass(frozen=True)
class Profile:
    """Address, CA and token of a pool.

    Attributes:
        address: ``https://host:port``.
        ca_file: PEM file of the authority that signed the pool's certificate.
        token: Never shown by repr.
    """

    address: str
    ca_file: Path
    token: str = field(repr=False)

    @classmethod
    def load(cls, home: Home, stack: str, env: Mapping[str, str] = os.environ) -> Profile:
        """From ``$VDC_ADDR``, ``$VDC_CACERT`` and ``$VDC_TOKEN``, each else from the stack's file.

        Raises:
            PoolError: Something is in neither, or the file cannot be read.
        """
        path = home.stack(stack).profile
        stored: Mapping[str, object] = {}
        if not {"VDC_ADDR", "VDC_CACERT", "VDC_TOKEN"} <= env.keys():
            stored = _read(path)
        address = env.get("VDC_ADDR") or stored.get("address")
        ca_file = env.get("VDC_CACERT") or stored.get("ca")
        token = env.get("VDC_TOKEN") or stored.get("token")
        if not (address and ca_file and token):
            raise PoolError(
                f"no pool is known for the stack {stack!r} ({path} says nothing); "
                "run `vdc up`, or set VDC_ADDR, VDC_CACERT and VDC_TOKEN"
            )
        return cls(str(address).rstrip("/"), Path(str(ca_file)), str(token))

    def save(self, path: Path) -> None:
        """Writes the file, mode 0600, whole or not at all; its folder is made when missing."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = {"address": self.address, "ca": str(self.ca_file), "token": self.token}
        # mkstemp makes the file with mode 0600, so the token is never readable by others.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".profile-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(content, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise


def _read(path: Path) -> Mapping[str, object]:
    try:
        stored = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise PoolError(f"{path} cannot be read ({error}); run `vdc up` to have it anew") from error
    return stored if isinstance(stored, dict) else {}
