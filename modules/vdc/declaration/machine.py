"""What sites have in common whose machines are machines: the surroundings of each of them."""

from __future__ import annotations

from typing import Annotated

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


def proxy_is_named(name: str, site: Surrounded) -> Findings:
    """A proxy without an address is none."""
    if site.proxy is not None and not (site.proxy.http or site.proxy.https):
        yield Finding(
            ("sites", name, "proxy"),
            "names no proxy",
            "add http: or https:, or remove proxy:",
        )
