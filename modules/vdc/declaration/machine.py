"""What sites have in common whose machines are machines: the surroundings of each of them."""

from __future__ import annotations

from typing import Annotated, Literal

from vdc.declaration.addresses import LOGS, PROXY, UNPROXIED, Host
from vdc.declaration.fields import Model, Written, declared
from vdc.declaration.finding import Finding, Findings
from vdc.declaration.site import Site


class Proxy(Model):
    """The proxies through which machines reach what is outside."""

    http: Annotated[str, Written(PROXY)] | None = declared(
        "For addresses that begin with http.", default=None, change="replace"
    )
    https: Annotated[str, Written(PROXY)] | None = declared(
        "For addresses that begin with https.", default=None, change="replace"
    )
    no_proxy: tuple[Annotated[str, Written(UNPROXIED)], ...] = declared(
        "What is reached without them: hosts, domains that begin with a dot, networks.",
        default=(),
        change="replace",
    )


class Surrounded(Site):
    """A site whose machines are no processes of this one, but machines with an outside."""

    proxy: Proxy | None = declared(
        "The proxies through which machines reach the outside.", default=None, change="replace"
    )
    ntp: tuple[Host, ...] = declared(
        "The servers from which machines take their time; empty: those of their system.",
        default=(),
        change="replace",
    )
    logs: Annotated[str, Written(LOGS)] | None = declared(
        "Where machines send their logs.", default=None, change="replace"
    )


class MachineSite(Surrounded):
    """A site of machines that are somebody's own, and so is their way out."""

    egress: Literal["direct", "nat", "proxy", "none"] = declared(
        "How machines reach the outside: by routes of their own, through address translation, "
        "through the proxy alone, or not at all.",
        default="direct",
        change="replace",
    )


def proxy_is_named(name: str, site: Surrounded) -> Findings:
    """A proxy without an address is none."""
    if site.proxy is not None and not (site.proxy.http or site.proxy.https):
        yield Finding(
            ("sites", name, "proxy"),
            "names no proxy",
            "add http: or https:, or remove proxy:",
        )


def egress_has_its_proxy(name: str, site: MachineSite) -> Findings:
    """A way out through a proxy needs the proxy, and a proxy is a way out."""
    named = site.proxy is not None and bool(site.proxy.http or site.proxy.https)
    if site.proxy is not None and not named:
        yield from proxy_is_named(name, site)
    elif site.egress == "proxy" and not named:
        yield Finding(
            ("sites", name, "egress"),
            "goes through a proxy that is not declared (got proxy)",
            "add proxy: with http: or https: to the site",
        )
    elif site.egress == "none" and named:
        yield Finding(
            ("sites", name, "egress"),
            "is shut although a proxy is declared (got none)",
            "write proxy, or remove proxy: from the site",
        )
