"""What the pool service is told: where it stands by a file, what is declared while it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from vdc.errors import StackError

_LABEL = "label_"
_PRICE = "price_per_hour"
MARK = "vdc_facts"
"""Node metadata that says which facts a node has been given."""


@dataclass(frozen=True)
class Group:
    """A node group as declared: what its nodes cost and are called by.

    Attributes:
        site: The scheduler's ``datacenter``.
        name: The group's name inside the site.
        node_class: The scheduler's class of its nodes.
        labels: Sorted pairs.
        price: Per node-hour; None when nothing prices it.
    """

    site: str
    name: str
    node_class: str
    labels: tuple[tuple[str, str], ...]
    price: Decimal | None

    @property
    def facts(self) -> dict[str, str]:
        """Metadata for each of the group's nodes, with a mark that changes when a fact does.

        The same for the whole group, so that it does not split the scheduler's classes of
        equal nodes. The price always has a decimal point: the scheduler compares numbers as
        numbers only when both have one.
        """
        facts = {_LABEL + key: value for key, value in self.labels}
        if self.price is not None:
            facts[_PRICE] = decimal_text(self.price)
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        return {**facts, MARK: digest[:16]}


def ours(key: str) -> bool:
    """Whether a key of a node's metadata is one that the service writes, and may remove."""
    return key.startswith(_LABEL) or key in {_PRICE, MARK}


def label_key(label: str) -> str:
    """The key of a node's metadata that holds a declared label."""
    return _LABEL + label


def decimal_text(price: Decimal) -> str:
    """Plain notation with a decimal point: ``0.02``, ``2.0``."""
    text = format(price.normalize(), "f")
    return text if "." in text else text + ".0"


@dataclass(frozen=True)
class SchedulerFiles:
    """Where the scheduler is and which files open it."""

    addresses: tuple[str, ...]
    ca_file: Path
    cert_file: Path
    key_file: Path


@dataclass(frozen=True)
class JoinFiles:
    """What the service takes new nodes in with.

    Attributes:
        cert_file: The CA that signs for nodes, PEM.
        key_file: Its private key, PEM.
        bundles_dir: Holds what nodes fetch, each archive in a folder with its sum.
        audit_file: Gets one line of JSON for each node that asked.
    """

    cert_file: Path
    key_file: Path
    bundles_dir: Path
    audit_file: Path


@dataclass(frozen=True)
class PoolConfig:
    """Everything the service is told, by one JSON file that the provider writes.

    What the stack declares may be missing there: see :meth:`declaring`.

    Attributes:
        name: The data centre's name.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        cert_file: The service's certificate, PEM.
        key_file: Its private key, PEM.
        scheduler: How the scheduler is reached.
        packages_dir: Where library artifacts are unpacked.
        groups: The declared node groups.
        currency: ISO 4217 code of every price.
        library: Folders with packages beside those that come with vdc.
        join: How nodes are taken in; None where nobody can join.
        endpoints: Where other machines reach the service, ``https://host:port``.
    """

    name: str
    host: str
    port: int
    cert_file: Path
    key_file: Path
    scheduler: SchedulerFiles
    packages_dir: Path
    groups: tuple[Group, ...]
    currency: str
    library: tuple[Path, ...]
    join: JoinFiles | None = None
    endpoints: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Where this very service is reached, ``https://host:port``."""
        return _address(self.host, self.port)

    @classmethod
    def load(cls, path: Path) -> PoolConfig:
        """Reads the file; keys that this version does not know are passed over.

        Raises:
            StackError: It is missing, is no JSON, or lacks something; the text says what.
        """
        try:
            return cls.of(json.loads(path.read_text()))
        except OSError as error:
            raise StackError(f"the pool service's configuration cannot be read: {error}") from error
        except KeyError as error:
            raise StackError(f"{path} lacks {error}; run `vdc up` to have it anew") from error
        except (ValueError, TypeError, ArithmeticError) as error:
            raise StackError(
                f"{path} is damaged ({error}); run `vdc up` to have it anew"
            ) from error

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> PoolConfig:
        """The decoded file; see :meth:`load`."""
        scheduler = raw["scheduler"]
        listening = _address(raw["host"], raw["port"])
        return cls(
            name=str(raw["name"]),
            host=str(raw["host"]),
            port=int(raw["port"]),
            cert_file=Path(raw["cert_file"]),
            key_file=Path(raw["key_file"]),
            scheduler=SchedulerFiles(
                addresses=tuple(str(address) for address in scheduler["addresses"]),
                ca_file=Path(scheduler["ca_file"]),
                cert_file=Path(scheduler["cert_file"]),
                key_file=Path(scheduler["key_file"]),
            ),
            packages_dir=Path(raw["packages_dir"]),
            groups=(),
            currency="USD",
            library=(),
            join=_join(raw["join"]) if raw.get("join") else None,
            endpoints=(listening,),
        ).declaring(raw)

    def declaring(self, raw: Mapping[str, Any]) -> PoolConfig:
        """The same service with what the stack declares now; what is left out stays as it is.

        Raises:
            KeyError, ValueError, TypeError, ArithmeticError: It is not in the form that is known.
        """
        change: dict[str, Any] = {}
        if "groups" in raw:
            change["groups"] = tuple(_group(group) for group in raw["groups"])
        if "currency" in raw:
            change["currency"] = str(raw["currency"])
        if "library" in raw:
            change["library"] = tuple(Path(folder) for folder in raw["library"])
        if raw.get("endpoints"):
            change["endpoints"] = tuple(str(address) for address in raw["endpoints"])
        return replace(self, **change)


def _address(host: object, port: object) -> str:
    return f"https://[{host}]:{port}" if ":" in str(host) else f"https://{host}:{port}"


def _join(raw: Mapping[str, Any]) -> JoinFiles:
    cert_file = Path(raw["cert_file"])
    return JoinFiles(
        cert_file,
        key_file=Path(raw["key_file"]),
        bundles_dir=Path(raw["bundles_dir"]),
        audit_file=Path(raw.get("audit_file") or cert_file.with_name("audit.jsonl")),
    )


def _group(raw: Mapping[str, Any]) -> Group:
    price = raw.get("price")
    labels = raw.get("labels") or {}
    return Group(
        site=str(raw["site"]),
        name=str(raw["name"]),
        node_class=str(raw.get("node_class") or raw["name"]),
        labels=tuple(sorted((str(key), str(value)) for key, value in labels.items())),
        price=None if price is None else Decimal(str(price)),
    )
