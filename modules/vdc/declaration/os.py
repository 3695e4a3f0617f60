"""Operating systems: which there are, what starts them, and where their images lie.

What is said of a system here is what everything to the right goes by: bootstrap chooses its
renderer by ``init``, and only systems whose own Python is new enough carry the control plane.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from vdc.declaration.fields import Model, Written, declared
from vdc.declaration.finding import Finding, Findings, Path, did_you_mean
from vdc.declaration.forms import Form

Init = Literal["cloud-init", "ignition"]
Arch = Literal["amd64", "arm64"]
Name = Literal["debian", "ubuntu", "rhel", "centos-stream", "rocky", "fedora-coreos", "flatcar"]

MACHINES: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}
"""Architectures as the kernel calls them (``uname -m``)."""

OLDEST_PYTHON = (3, 11)
"""What the pool service, and with it a machine of the control plane, needs."""


@dataclass(frozen=True)
class Release:
    """One version of a system.

    Attributes:
        python: Version of its own ``python3``; None when it has none.
        image: Address of its cloud image, with ``{arch}`` or ``{machine}`` in it; None when it
            has no lasting address. It names the latest image, so no checksum holds for it, and
            none was read from the publisher: every one of them is unverified.
    """

    python: tuple[int, int] | None
    image: str | None = None

    @property
    def carries_control(self) -> bool:
        """Whether the pool service runs on it as it is."""
        return self.python is not None and self.python >= OLDEST_PYTHON


@dataclass(frozen=True)
class System:
    """One operating system.

    Attributes:
        init: What reads a machine's user data at its first boot.
        releases: Its versions by the names that its publisher gives them.
    """

    init: Init
    releases: Mapping[str, Release]


def _debian(version: str, name: str) -> str:
    folder = f"https://cloud.debian.org/images/cloud/{name}/latest"
    return f"{folder}/debian-{version}-genericcloud-{{arch}}.qcow2"


def _ubuntu(name: str) -> str:
    return f"https://cloud-images.ubuntu.com/{name}/current/{name}-server-cloudimg-{{arch}}.img"


def _centos(version: str) -> str:
    folder = f"https://cloud.centos.org/centos/{version}-stream/{{machine}}/images"
    return f"{folder}/CentOS-Stream-GenericCloud-{version}-latest.{{machine}}.qcow2"


def _rocky(version: str) -> str:
    folder = f"https://dl.rockylinux.org/pub/rocky/{version}/images/{{machine}}"
    return f"{folder}/Rocky-{version}-GenericCloud-Base.latest.{{machine}}.qcow2"


def _flatcar(channel: str) -> str:
    folder = f"https://{channel}.release.flatcar-linux.net/{{arch}}-usr/current"
    return f"{folder}/flatcar_production_qemu_image.img"


SYSTEMS: Mapping[Name, System] = {
    "debian": System("cloud-init", {
        "11": Release((3, 9), _debian("11", "bullseye")),
        "12": Release((3, 11), _debian("12", "bookworm")),
        "13": Release((3, 13), _debian("13", "trixie")),
    }),
    "ubuntu": System("cloud-init", {
        "20.04": Release((3, 8), _ubuntu("focal")),
        "22.04": Release((3, 10), _ubuntu("jammy")),
        "24.04": Release((3, 12), _ubuntu("noble")),
    }),
    "rhel": System("cloud-init", {  # images only for those who have a subscription
        "8": Release((3, 6)), "9": Release((3, 9)), "10": Release((3, 12)),
    }),
    "centos-stream": System("cloud-init", {
        "9": Release((3, 9), _centos("9")),
        "10": Release((3, 12), _centos("10")),
    }),
    "rocky": System("cloud-init", {
        "8": Release((3, 6), _rocky("8")),
        "9": Release((3, 9), _rocky("9")),
        "10": Release((3, 12), _rocky("10")),
    }),
    "fedora-coreos": System("ignition", {  # every build has an address of its own
        "stable": Release(None), "testing": Release(None), "next": Release(None),
    }),
    "flatcar": System("ignition", {
        channel: Release(None, _flatcar(channel)) for channel in ("stable", "beta", "alpha", "lts")
    }),
}  # fmt: skip


def _image_hint(text: str) -> str | None:
    if text.startswith("http://"):
        return f"write https{text[4:]}"
    if text.startswith("file:///"):
        return f"write {text[7:]}"
    return None


IMAGE = Form(
    name="image",
    noun="where an image lies",
    rule="an https address, or the whole path of a file on this machine",
    example="https://images.example.org/debian-12-amd64.qcow2",
    pattern=r"^(https://[^\s/@]+/\S+|/\S+)$",
    hint=_image_hint,
)
SHA256 = Form(
    name="sha256",
    noun="a SHA-256 sum",
    rule="its 64 hexadecimal digits, as sha256sum prints them",
    example="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    pattern=r"^[0-9a-f]{64}$",
    hint=lambda text: (
        f"write {text.lower().removeprefix('sha256:')}"
        if re.fullmatch(r"(sha256:)?[0-9a-f]{64}", text.lower())
        else None
    ),
)
VERSION = Form(
    name="version",
    noun="a system's version",
    rule="the name that its publisher gives it, in quotes",
    example="12",
    pattern=r"^([0-9]{1,3}(\.[0-9]{1,3})?|[a-z]{1,16})$",
)
FORMS = (IMAGE, SHA256, VERSION)


class Image(Model):
    """An image of the user's own."""

    url: Annotated[str, Written(IMAGE)] = declared("Where the image lies.", change="replace")
    sha256: Annotated[str, Written(SHA256)] | None = declared(
        "The image's SHA-256 sum; what has another one is not used.",
        default=None,
        change="replace",
    )


class SystemVersion(Model):
    """Which operating system runs on a machine, and how it boots."""

    name: Name = declared("The operating system.", change="replace", example="debian")
    version: Annotated[str, Written(VERSION)] = declared(
        "Its version: a number, or a stream or channel where it has these.", change="replace"
    )
    arch: Arch = declared("What the machines' processors are.", default="amd64", change="replace")

    @property
    def init(self) -> Init:
        """What reads the machines' user data at their first boot."""
        return SYSTEMS[self.name].init

    @property
    def release(self) -> Release | None:
        """What is known of the version; None when it is no known one."""
        return SYSTEMS[self.name].releases.get(self.version)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class OperatingSystem(SystemVersion):
    """What runs on a machine from its first boot, and the image that it boots from."""

    image: Image | None = declared(
        "An image to take instead of the publisher's latest.", default=None, change="replace"
    )
    unverified: bool = declared(
        "Whether an image is taken whose SHA-256 sum nobody has declared.",
        default=False,
        change="in-place",
        example=True,
    )

    @property
    def image_url(self) -> str | None:
        """Where the image lies, the user's own or the publisher's; None when nobody says."""
        if self.image:
            return self.image.url
        known = self.release.image if self.release else None
        return known and known.format(arch=self.arch, machine=MACHINES[self.arch])

    @property
    def sha256(self) -> str | None:
        """The sum that the image must have; None when any image is taken unverified."""
        return self.image.sha256 if self.image else None


def os_is_known(path: Path, os: SystemVersion) -> Findings:
    """What is known of a system is known of its versions."""
    if os.release is None:
        known = SYSTEMS[os.name].releases
        yield Finding(
            (*path, "version"),
            f"is not a known version of {os.name} (got {os.version})",
            did_you_mean(os.version, known, f"write one of {', '.join(known)}"),
            rests_on=((*path, "name"),),
        )


def os_has_an_image(path: Path, os: OperatingSystem) -> Findings:
    """Some publishers' images have no address that lasts, or are not for everybody."""
    if os.release and os.image_url is None:
        yield Finding(
            path,
            f"comes without an image that everybody could fetch (got {os})",
            "add image: with its url: and sha256:",
            rests_on=((*path, "name"), (*path, "version"), (*path, "image")),
        )


def os_image_is_verified(path: Path, os: OperatingSystem) -> Findings:
    """What boots is what was meant: by its sum, or because the user said that any will do."""
    if os.image_url is None or os.sha256 or os.unverified:
        return
    if os.image:
        yield Finding(
            (*path, "image"),
            f"has no sha256, so nothing says what it must hold (got {os.image.url})",
            "add sha256: as sha256sum prints it, or unverified: true below os: to do without",
            rests_on=((*path, "unverified"), (*path, "image", "sha256")),
        )
    else:
        yield Finding(
            path,
            f"takes its publisher's latest image, whose sum nobody has verified (got {os})",
            "add unverified: true to allow that, or image: with its url: and sha256:",
            rests_on=((*path, "unverified"), (*path, "image"), (*path, "name")),
        )


def os_carries_control(path: Path, os: SystemVersion) -> Findings:
    """The pool service runs on the system's own Python."""
    if os.release is None or os.release.carries_control:
        return
    oldest = ".".join(map(str, OLDEST_PYTHON))
    has = ".".join(map(str, os.release.python)) if os.release.python else "none"
    able = [
        f"{name} {version}"
        for name, system in SYSTEMS.items()
        for version, release in system.releases.items()
        if release.carries_control
    ]
    yield Finding(
        path,
        f"has no Python {oldest} or newer, which the control plane needs (got {os}: {has})",
        f"name another site in control.site, or a system that has it here: {', '.join(able)}",
        rests_on=((*path, "name"), (*path, "version"), ("control", "site")),
    )
