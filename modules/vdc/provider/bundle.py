"""The software of a node as one archive, made once for each content and kept in the cache."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from vdc.errors import ToolchainError
from vdc.provider.archive import Archive, Member, packed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vdc.home import Home


def bundle(arch: str, nomad: Path, home: Home, wheelhouse: Path | None = None) -> Archive:
    """Packs the agent and vdc's programs for nodes of one architecture, unless that is done.

    Args:
        arch: ``amd64`` or ``arm64``.
        nomad: The agent's program for that architecture.
        home: Whose cache keeps the archive.
        wheelhouse: The pool service's program, for nodes that carry the control plane.

    Raises:
        ToolchainError: The agent's program or the cache cannot be used.
    """
    try:
        members = list(_members(nomad, wheelhouse))
        return packed(home.bundles, arch, f"vdc-node-{arch}.tar.gz", members)
    except OSError as error:
        raise ToolchainError(
            f"the bundle for {arch} nodes cannot be made from {nomad}: {error}; "
            "check the program and the space in the cache"
        ) from error


def _members(nomad: Path, wheelhouse: Path | None) -> Iterator[Member]:
    """What the archive holds: ``bin/*``, ``units/*``, ``install.sh``, perhaps a wheelhouse."""
    yield Member("bin/nomad", nomad, 0o755)
    programs = files("vdc.bootstrap").joinpath("files")
    for entry in programs.iterdir():
        if entry.name.startswith("vdc-"):
            yield Member(f"bin/{entry.name}", entry.read_bytes(), 0o755)
    for unit in programs.joinpath("units").iterdir():
        yield Member(f"units/{unit.name}", unit.read_bytes(), 0o644)
    yield Member("install.sh", programs.joinpath("install.sh").read_bytes(), 0o755)
    if wheelhouse:
        yield Member("wheelhouse.tar.gz", wheelhouse, 0o644)
