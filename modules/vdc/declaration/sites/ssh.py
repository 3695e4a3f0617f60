"""The kind ``ssh``: machines exist already and are taken in over SSH."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from vdc.declaration import keys
from vdc.declaration.addresses import Host, is_address
from vdc.declaration.fields import Model, Name, Written, declared
from vdc.declaration.finding import Finding, Findings, Path, did_you_mean, dotted
from vdc.declaration.forms import NAME, Form
from vdc.declaration.machine import Surrounded, proxy_is_named
from vdc.declaration.site import Group, Kind

if TYPE_CHECKING:
    from vdc.declaration.model import Control


def _host_key_hint(text: str) -> str | None:
    if re.match(r"(SHA256|MD5):", text):
        return "write the key and not its fingerprint; ssh-keyscan prints it"
    inside = re.search(keys.PATTERN, text)
    return f"leave out what stands before {inside.group(1)}" if inside else None


HOST_KEY = Form(
    name="host-key",
    noun="a host key",
    rule="its type and the key, as ssh-keyscan prints them",
    example=keys.EXAMPLE,
    pattern=rf"^{keys.PATTERN}( [^\n]*)?$",
    value=lambda text: keys.whole(text, "a host key", "that ssh-keyscan prints"),
    hint=_host_key_hint,
)
USER = Form(
    name="user",
    noun="a user's name",
    rule="the name that the machine knows the user by",
    example="admin",
    pattern=r"^[a-z_][a-z0-9_.-]{0,31}$",
    hint=lambda text: "leave the password out" if ":" in text else None,
)
KEY_FILE = Form(
    name="key-file",
    noun="the path of a private key",
    rule="the whole path of its file, or one that begins with ~/",
    example="~/.ssh/id_ed25519",
    pattern=r"^(/|~/)[^\n]+$",
    hint=lambda text: (
        "write the path of the key's file and not the key" if "PRIVATE KEY" in text else None
    ),
)


MachineName = Annotated[str, Written(NAME, example="m1")]


class Machine(Model):
    """One machine that exists already."""

    address: Host = declared(
        "Where its SSH server is reached.", change="in-place", example="10.0.0.5"
    )
    port: int = declared(
        "The port of its SSH server.", default=22, change="in-place", example=22, ge=1, le=65_535
    )
    user: Annotated[str, Written(USER)] = declared(
        "Who signs in there: root, or a user who may become root without a password.",
        change="in-place",
    )
    host_key: Annotated[str, Written(HOST_KEY)] = declared(
        "The key by which its SSH server is known; another one is refused.", change="in-place"
    )


class SshGroup(Group):
    """Machines of the inventory that the pool treats alike."""

    machines: tuple[MachineName, ...] = declared(
        "Which machines of the site, by name.", change="in-place"
    )

    @property
    def members(self) -> tuple[str, ...]:
        """See :class:`~vdc.declaration.site.Group`."""
        return self.machines


class Servers(Model):
    """The machines that carry the control plane."""

    machines: tuple[MachineName, ...] = declared(
        "Which machines of the site, by name, one per server."
    )


class SshSite(Surrounded):
    """A site of machines that exist already: each is taken in over SSH and let go again."""

    kind: Literal["ssh"] = declared("On machines that exist already, reached over SSH.")
    machines: Mapping[MachineName, Machine] = declared(
        "The machines that there are, by name.", change="in-place", min_length=1
    )
    key: Annotated[str, Written(KEY_FILE)] | None = declared(
        "The file of the private key to sign in with; left out: ssh-agent's keys.",
        default=None,
        change="in-place",
    )
    servers: Servers | None = declared(
        "The machines that carry the control plane, when it stands here.", default=None
    )
    groups: Mapping[Name, SshGroup] = declared(
        "The site's groups of machines, by name.", default={}, change="in-place"
    )

    @property
    def server_members(self) -> tuple[str, ...]:
        """See :class:`~vdc.declaration.site.Site`."""
        return self.servers.machines if self.servers else ()

    @property
    def server_addresses(self) -> tuple[str, ...] | None:
        """See :class:`~vdc.declaration.site.Site`; names are not enough, agents dial addresses."""
        names = [name for name in self.server_members if name in self.machines]
        found = tuple(self.machines[name].address for name in names)
        return found if all(is_address(address) for address in found) else None


def _uses(name: str, site: SshSite) -> Iterator[tuple[Path, str]]:
    """Every mention of a machine with its place; the servers' first."""
    for index, machine in enumerate(site.server_members):
        yield ("sites", name, "servers", "machines", index), machine
    for group_name, group in site.groups.items():
        for index, machine in enumerate(group.machines):
            yield ("sites", name, "groups", group_name, "machines", index), machine


def machines_are_known(name: str, site: SshSite) -> Findings:
    """Groups choose from the site's machines."""
    for path, machine in _uses(name, site):
        if machine not in site.machines:
            known = f"add it to the site's machines, which are {', '.join(site.machines)}"
            yield Finding(
                path,
                f"names a machine that the site does not have (got {machine})",
                did_you_mean(machine, site.machines, known),
                rests_on=(("sites", name, "machines"),),
            )


def machines_have_one_place(name: str, site: SshSite) -> Findings:
    """A machine is one node, and its group says what becomes of it."""
    seen: dict[str, Path] = {}
    for path, machine in _uses(name, site):
        if machine in seen:
            yield Finding(
                path,
                f"stands in {dotted(seen[machine][:-1])} already (got {machine})",
                "keep it in one of them",
                rests_on=(seen[machine],),
            )
        seen.setdefault(machine, path)


def machines_are_used(name: str, site: SshSite) -> Findings:
    """What is in no group is left as it is."""
    used = {machine for _, machine in _uses(name, site)}
    for machine in site.machines:
        if machine not in used:
            yield Finding(
                ("sites", name, "machines", machine),
                "is in no group, so nothing is done with it",
                "add it to a group's machines, or remove it, unless this is meant",
                level="warning",
            )


def servers_are_chosen(name: str, site: SshSite, control: Control) -> Findings:
    """Which machines carry the control plane is said where they are, how many in ``control``."""
    path: Path = ("sites", name, "servers")
    grounds: tuple[Path, ...] = (("control", "site"), ("control", "servers"))
    if control.site != name:
        if site.servers:
            yield Finding(
                path,
                f"are machines for a control plane that stands on site {control.site}",
                f"remove them, or write {name} as control.site",
                rests_on=grounds,
            )
    elif len(site.server_members) != control.servers:
        machines = f"{control.servers} machine{'s' if control.servers > 1 else ''}"
        yield Finding(
            (*path, "machines"),
            "are not as many as there are servers "
            f"(got {len(site.server_members)}; control.servers is {control.servers})",
            f"name {machines} here" if site.servers else f"add servers: with {machines} to {name}",
            rests_on=grounds,
        )


def machines_differ(sites: Mapping[str, SshSite]) -> Findings:
    """One machine under two names would be two nodes."""
    seen: dict[tuple[str, int], Path] = {}
    for site_name, site in sites.items():
        for name, machine in site.machines.items():
            path: Path = ("sites", site_name, "machines", name)
            place = (machine.address, machine.port)
            if place in seen:
                yield Finding(
                    (*path, "address"),
                    f"leads to the same machine as {dotted(seen[place])} (got {machine.address}, "
                    f"port {machine.port})",
                    "correct one of the two, or remove it",
                    rests_on=tuple((*p, key) for p in (path, seen[place]) for key in _PLACE),
                )
            seen.setdefault(place, path)


_PLACE = ("address", "port")

KIND = Kind(
    name="ssh",
    site=SshSite,
    forms=(HOST_KEY, USER, KEY_FILE),
    rules={
        "proxy_is_named": lambda name, site, _: proxy_is_named(name, site),
        "machines_are_known": lambda name, site, _: machines_are_known(name, site),
        "machines_have_one_place": lambda name, site, _: machines_have_one_place(name, site),
        "machines_are_used": lambda name, site, _: machines_are_used(name, site),
        "servers_are_chosen": lambda name, site, whole: servers_are_chosen(
            name, site, whole.control
        ),
    },
    between={"machines_differ": machines_differ},
)
