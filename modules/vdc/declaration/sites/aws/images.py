"""Where a system's publisher tells AWS its latest image."""

from __future__ import annotations

from vdc.declaration.os import SystemVersion

_UBUNTU_DISKS = {"20.04": "ebs-gp2", "22.04": "ebs-gp2", "24.04": "ebs-gp3"}
_DEBIAN = ("11", "12", "13")


def parameter(os: SystemVersion) -> str | None:
    """The public parameter of Systems Manager that holds the image's ID.

    None when the publisher is not known to keep one. Unverified: these paths were not read from a
    region; preflight reads the one that is used.
    """
    if os.name == "debian" and os.version in _DEBIAN:
        return f"/aws/service/debian/release/{os.version}/latest/{os.arch}"
    if os.name == "ubuntu" and (disk := _UBUNTU_DISKS.get(os.version)):
        release = f"/aws/service/canonical/ubuntu/server/{os.version}/stable/current"
        return f"{release}/{os.arch}/hvm/{disk}/ami-id"
    return None
