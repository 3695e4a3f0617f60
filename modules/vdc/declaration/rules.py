"""What must hold between the parts of a declaration, whatever kinds its sites are.

A rule is a small function on plain arguments that yields what it objects to. RULES binds
each to the declaration; the rules of a kind are beside its model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

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


def node_names_fit(datacentre: str, groups: Mapping[Path, tuple[str, str, int]]) -> Findings:
    """Names of machines are host names, which end at 63 characters."""
    for path, (site, group, count) in groups.items():
        longest = f"{node_prefix(datacentre, site, group)}-{max(count - 1, 0)}"
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


def node_names_differ(datacentre: str, groups: Mapping[Path, tuple[str, str, int]]) -> Findings:
    """Site ``a-b`` with group ``c`` and site ``a`` with group ``b-c`` make the same names."""
    seen: dict[str, str] = {}
    for path, (site, group, _) in groups.items():
        prefix = node_prefix(datacentre, site, group)
        if group == CONTROL_GROUP and path[0] == "sites":
            continue  # refused for its name already
        if prefix in seen:
            yield Finding(
                path,
                f"makes the same machine names as {seen[prefix]} (got {prefix}-0, ...)",
                "rename one of the two",
            )
        seen.setdefault(prefix, f"group {group} of site {site}")


def something_does_work(groups: int) -> Findings:
    """A pool without machines runs nothing; allowed, since machines may come later."""
    if not groups:
        yield Finding(
            ("sites",),
            "declare no group of machines, so the pool will run no work",
            "add groups: to a site, unless this is meant",
            level="warning",
        )


def _groups(declaration: Declaration) -> dict[Path, tuple[str, str, int]]:
    """Every group with its site, name and count, by where it is declared; servers first."""
    control = declaration.control
    found: dict[Path, tuple[str, str, int]] = {
        ("control", "site"): (control.site, CONTROL_GROUP, control.servers)
    }
    for site_name, site in declaration.sites.items():
        for name, group in site.groups.items():
            found["sites", site_name, "groups", name] = (site_name, name, group.machine_count)
    return found


RULES: Mapping[str, Callable[[Declaration], Findings]] = {
    "control_site_exists": lambda d: control_site_exists(d.control.site, tuple(d.sites)),
    "control_group_name_is_kept_free": lambda d: control_group_name_is_kept_free(
        (site, group) for site in d.sites for group in d.sites[site].groups
    ),
    "node_names_fit": lambda d: node_names_fit(d.name, _groups(d)),
    "node_names_differ": lambda d: node_names_differ(d.name, _groups(d)),
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
