"""How addresses are written: of machines, networks, proxies and log destinations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, ip_address
from typing import Annotated

from vdc.declaration.fields import Written
from vdc.declaration.finding import Finding, Findings, Path
from vdc.declaration.forms import Form, UnfitError

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = rf"({_LABEL}\.)*[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?"
_IPV4 = r"[0-9]{1,3}(\.[0-9]{1,3}){3}"
_IPV6 = r"[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*"
_PORT = r":[0-9]{1,5}"
_MOST_PORT = 65_535
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


def is_address(text: str) -> bool:
    """Whether a host is named by its address and not by a name."""
    return re.fullmatch(f"{_IPV4}|{_IPV6}", text) is not None


def free_network(like: IPv4Network, taken: Iterable[IPv4Network]) -> IPv4Network:
    """A private network of the same size that overlaps none of these; ``like`` if none is left."""
    others = tuple(taken)
    first = max(like.network_address, _PRIVATE[0].network_address)
    after = int(_PRIVATE[0].broadcast_address) + 1
    starts = range(int(first), after, like.num_addresses)
    around = (IPv4Network((start, like.prefixlen)) for start in starts)
    return next(
        (network for network in around if not any(network.overlaps(other) for other in others)),
        like,
    )


def is_one_thing(path: Path, ways: Mapping[str, str | None], add: str) -> Findings:
    """A network exists or is made; which of two is not ours to choose.

    Args:
        path: Where it is declared.
        ways: What is written for each way to declare one.
        add: What to write where there is none.
    """
    said = {key: value for key, value in ways.items() if value}
    if len(said) > 1:
        got = " and ".join(f"{key} {value}" for key, value in said.items())
        yield Finding(path, f"is two things at once (got {got})", "keep one of them")
    elif not said:
        rests_on = tuple((*path, key) for key in ways)
        yield Finding(path, "names no network", f"add {add}", rests_on=rests_on)


def _address(text: str) -> str:
    """In the one way to write it, so that equal addresses are equal texts."""
    address = ip_address(text)
    if address.is_unspecified or address.is_multicast:
        raise ValueError(text)
    return address.compressed


def _host(text: str) -> str:
    return _address(text) if is_address(text) else text


def _with_port(text: str) -> str:
    """An address with scheme, host and port; ``text`` matches its form's pattern already."""
    port = re.search(r":([0-9]+)$", text)
    if port and not 0 < int(port.group(1)) <= _MOST_PORT:
        raise UnfitError("has a port that does not exist", f"write 1 to {_MOST_PORT:,}")
    return text


def _network(text: str) -> str:
    network = IPv4Network(text, strict=False)
    if str(network.network_address) != text.partition("/")[0]:
        raise UnfitError("is an address inside a network", f"write the network: {network}")
    if not 16 <= network.prefixlen <= 28:
        raise UnfitError(
            "is too large or too small for machines",
            f"write a length from /16 to /28, such as {network.network_address}/24",
        )
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise UnfitError("is not a private network", "write one such as 10.90.0.0/24")
    return text


def _bare(text: str) -> str | None:
    """The host inside an address that says more than the host."""
    bare = re.sub(r"^[a-z+]+://|[/?].*$", "", text.strip().lower())
    bare = re.sub(rf"{_PORT}$|\.$", "", bare) if bare.count(":") < 2 else bare
    return bare if bare != text else None


def _address_hint(text: str) -> str | None:
    bare = _bare(text)
    return f"write {bare}" if bare and is_address(bare) else None


def _host_hint(text: str) -> str | None:
    bare = _bare(text)
    return f"write {bare}" if bare and HOST.fits(bare) else None


def _proxy_hint(text: str) -> str | None:
    if "@" in text:
        return "leave user and password out: a declaration holds no secrets"
    if re.fullmatch(rf"({_NAME}|{_IPV4}){_PORT}", text):
        return f"write http://{text}"
    return None


def _logs_hint(text: str) -> str | None:
    if text.startswith("syslog+tls://"):
        return "name a collector that is near, since machines do not encrypt what they send there"
    close = re.fullmatch(rf"(?:(?:syslog|tcp)://)?(({_NAME}|{_IPV4})(?:{_PORT})?)", text)
    return f"write syslog+tcp://{close.group(1)}" if close else None


ADDRESS = Form(
    name="address",
    noun="the address of one machine",
    rule="an IPv4 or IPv6 address",
    example="10.0.0.5",
    pattern=rf"^({_IPV4}|{_IPV6})$",
    value=_address,
    hint=_address_hint,
)
HOST = Form(
    name="host",
    noun="a host's name or address",
    rule="a name in lower-case letters, or an address, without scheme and port",
    example="pool.example.org",
    pattern=rf"^({_NAME}|{_IPV4}|{_IPV6})$",
    value=_host,
    hint=_host_hint,
)
NETWORK = Form(
    name="network",
    noun="an IPv4 network",
    rule="its first address and the length of its prefix",
    example="10.90.0.0/24",
    pattern=rf"^{_IPV4}/[0-9]{{1,2}}$",
    value=_network,
)
PROXY = Form(
    name="proxy",
    noun="a proxy's address",
    rule="scheme, host and port",
    example="http://proxy.example.org:3128",
    pattern=rf"^https?://({_NAME}|{_IPV4}|\[{_IPV6}\]){_PORT}$",
    value=_with_port,
    hint=_proxy_hint,
)
UNPROXIED = Form(
    name="unproxied",
    noun="what a proxy can be spared for",
    rule="a host, a domain that begins with a dot, or a network",
    example=".example.org",
    pattern=rf"^(\.?{_NAME}|{_IPV4}(/[0-9]{{1,2}})?|{_IPV6}(/[0-9]{{1,3}})?)$",
    hint=lambda text: f"write {text[1:]}" if re.fullmatch(rf"\*\.{_NAME}", text) else None,
)
LOGS = Form(
    name="logs",
    noun="a destination of logs",
    rule="syslog+tcp or syslog+udp, a host, and a port where it is not 514",
    example="syslog+tcp://logs.example.org:514",
    pattern=rf"^syslog\+(tcp|udp)://({_NAME}|{_IPV4}|\[{_IPV6}\])({_PORT})?$",
    value=_with_port,
    hint=_logs_hint,
)

FORMS = (ADDRESS, HOST, NETWORK, PROXY, UNPROXIED, LOGS)

Address = Annotated[str, Written(ADDRESS)]
Host = Annotated[str, Written(HOST)]
Network = Annotated[str, Written(NETWORK)]
