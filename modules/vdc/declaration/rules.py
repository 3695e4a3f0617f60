"""What must hold between the parts of a declaration, whatever kinds its sites are.

A rule is a small function on plain arguments that yields what it objects to. RULES binds
each to the declaration; the rules of a kind are beside its model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vdc.declaration import control, release
from vdc.declaration.dropping import dropped_sites_are_gone
from vdc.declaration.finding import Finding, Findings, Path, did_you_mean
from vdc.declaration.registry import KINDS

if TYPE_CHECKING:
    from vdc.declaration.model import Declaration

CONTROL_GROUP = "servers"
"""The name of the group of control servers, on the site that ``control`` names."""

LONGEST_NAME = 63
"""A machine's name is a DNS label."""


def node_prefix(datacentre: str, site: str, group: str) -> str:
    """What the names of a group's machines begin with; ``-0``, ``-1``, ... follows."""
    return f"{datacentre}-{site}-{group}"


def control_site_exists(site: str, sites: tuple[str, ...]) -> Findings:
    """The servers need a declared site to stand on."""
    if site not in sites:
        known = f"name one of the declared sites: {', '.join(sites)}"
        yield Finding(
            ("control", "site"),
            f"names a site that is not declared (got {site})",
            did_you_mean(site, sites, known),
            rests_on=(("sites",),),
        )


def control_group_name_is_kept_free(groups: Iterable[tuple[str, str]]) -> Findings:
    """One name is ours on every site, since any of them may come to carry the servers."""
    for site, group in groups:
        if group == CONTROL_GROUP:
            yield Finding(
                ("sites", site, "groups", group),
                f"is the name of the control plane's own group (got {group})",
                "give the group another name, such as workers",
            )


@dataclass(frozen=True)
class Names:
    """What a group's machines are named by.

    Attributes:
        site: The group's site.
        group: Its name.
        longest: The longest text that follows in a machine's name.
        members: Their own names where the kind names them.
    """

    site: str
    group: str
    longest: str
    members: tuple[str, ...] = ()


def node_names_fit(datacentre: str, groups: Mapping[Path, Names]) -> Findings:
    """Names of machines are host names, which end at 63 characters."""
    for path, names in groups.items():
        longest = f"{node_prefix(datacentre, names.site, names.group)}-{names.longest}"
        if len(longest) > LONGEST_NAME:
            over = len(longest) - LONGEST_NAME
            yield Finding(
                path,
                f"makes machine names longer than {LONGEST_NAME} characters "
                f"(got {len(longest)}: {longest})",
                "shorten the name of the group, the site or the data centre by "
                f"{over} character{'s' if over > 1 else ''} in all",
                rests_on=(("name",),),
            )


def node_names_differ(datacentre: str, groups: Mapping[Path, Names]) -> Findings:
    """Site ``a-b`` with group ``c`` and site ``a`` with group ``b-c`` make the same names.

    So do machine ``b-1`` of group ``a`` and the second machine of group ``a-b``.
    """
    taken: dict[str, str] = {}
    for path, names in groups.items():
        if names.group == CONTROL_GROUP and path[0] == "sites":
            continue  # refused for its name already
        claims = _claims(node_prefix(datacentre, names.site, names.group), names.members)
        for example, _, others in claims:
            if clash := next((taken[other] for other in others if other in taken), None):
                yield Finding(
                    path,
                    f"makes the same machine names as {clash} (got {example})",
                    "rename one of the two",
                )
                break
        for _, ours, _ in claims:
            for mark in ours:
                taken.setdefault(mark, f"group {names.group} of site {names.site}")


def _claims(
    prefix: str, members: tuple[str, ...]
) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """What a group's machines are called: an example, what that claims, and who may not have it.

    ``x-#`` is every numbered machine of a group, however large it grows; ``x-?`` is one that is
    named as if it were one of these.
    """
    if not members:
        return [(f"{prefix}-0, ...", (f"{prefix}-#",), (f"{prefix}-#", f"{prefix}-?"))]
    nodes = [f"{prefix}-{member}" for member in members]
    likes = [re.sub(r"-[0-9]+$", "-", node) for node in nodes]
    return [
        (node, (node, f"{like}?"), (node, f"{like}#"))
        for node, like in zip(nodes, likes, strict=True)
    ]


def something_does_work(groups: int) -> Findings:
    """A pool without machines runs nothing; allowed, since machines may come later."""
    if not groups:
        yield Finding(
            ("sites",),
            "declare no group of machines, so the pool will run no work",
            "add groups: to a site, unless this is meant",
            level="warning",
        )


def _groups(declaration: Declaration) -> dict[Path, Names]:
    """What every group's machines are named by, by where it is declared; servers first."""
    servers = declaration.control
    site = declaration.sites.get(servers.site)
    members = site.server_members if site else ()
    longest = max(members, key=len, default=str(servers.servers - 1))
    found: dict[Path, Names] = {
        ("control", "site"): Names(servers.site, CONTROL_GROUP, longest, members)
    }
    for site_name, site in declaration.sites.items():
        for name, group in site.groups.items():
            found["sites", site_name, "groups", name] = Names(
                site_name, name, group.longest_member, group.members
            )
    return found


def _elsewhere(declaration: Declaration) -> tuple[str, ...]:
    """The sites whose machines do not reach 127.0.0.1 of this one."""
    sites = declaration.sites.items()
    return tuple(name for name, site in sites if not site.on_this_machine)


def _known_addresses(declaration: Declaration) -> tuple[str, ...] | None:
    """The servers' addresses as declared, or else as their site knows them."""
    site = declaration.sites.get(declaration.control.site)
    return declaration.control.addresses or (site.server_addresses if site else ())


RULES: Mapping[str, Callable[[Declaration], Findings]] = {
    "control_site_exists": lambda d: control_site_exists(d.control.site, tuple(d.sites)),
    "addresses_are_one_per_server": lambda d: control.addresses_are_one_per_server(
        d.control.servers, d.control.addresses
    ),
    "addresses_differ": lambda d: control.addresses_differ(
        {"addresses": d.control.addresses, "endpoint": d.control.endpoint}
    ),
    "addresses_are_known": lambda d: control.addresses_are_known(
        _known_addresses(d), _elsewhere(d)
    ),
    "addresses_are_reached": lambda d: control.addresses_are_reached(
        {"addresses": d.control.addresses, "endpoint": d.control.endpoint}, _elsewhere(d)
    ),
    "endpoint_is_served": lambda d: control.endpoint_is_served(
        d.control.endpoint, d.control.addresses, d.control.site in _elsewhere(d)
    ),
    "release_is_installed": lambda d: release.release_is_installed(
        d.control.release is not None, d.control.site in _elsewhere(d)
    ),
    "control_group_name_is_kept_free": lambda d: control_group_name_is_kept_free(
        (site, group) for site in d.sites for group in d.sites[site].groups
    ),
    "node_names_fit": lambda d: node_names_fit(d.name, _groups(d)),
    "node_names_differ": lambda d: node_names_differ(d.name, _groups(d)),
    "dropped_sites_are_gone": lambda d: dropped_sites_are_gone(d.dropping, d.sites),
    "something_does_work": lambda d: something_does_work(
        sum(len(site.groups) for site in d.sites.values())
    ),
}


def every_rule() -> tuple[str, ...]:
    """The names of all rules, those of the kinds included."""
    kinds = KINDS.values()
    return (*RULES, *(name for kind in kinds for name in (*kind.rules, *kind.between)))


def findings(declaration: Declaration) -> Iterator[tuple[str, Finding]]:
    """What the rules object to, each with the rule's name."""
    for name, rule in RULES.items():
        yield from ((name, finding) for finding in rule(declaration))
    for kind in KINDS.values():
        sites = {name: site for name, site in declaration.sites.items() if site.kind == kind.name}
        for name, site_rule in kind.rules.items():
            for site_name, site in sites.items():
                yield from ((name, finding) for finding in site_rule(site_name, site, declaration))
        for name, kind_rule in kind.between.items():
            yield from ((name, finding) for finding in kind_rule(sites))
