"""The declaration as typed, frozen models: the single place where its fields are declared."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, GetCoreSchemaHandler
from pydantic_core import core_schema

from vdc.declaration.addresses import Address, Host
from vdc.declaration.fields import AppName, Currency, Model, Name, Price, SiteName, declared
from vdc.declaration.registry import KINDS
from vdc.declaration.release import Release
from vdc.declaration.site import Site, Size


class Control(Model):
    """What carries the control plane: the scheduler's servers and the pool service."""

    site: SiteName = declared("The site that carries the servers.")
    servers: Literal[1, 3, 5] = declared(
        "How many scheduler servers; three survive the loss of one, five of two.", default=1
    )
    size: Size = declared(
        "What each server has.",
        default={"cpu": 1, "memory": "512MiB", "disk": "1GiB"},
        change="replace",
    )
    price: Price | None = declared(
        "Price of one server for one hour, in the declaration's currency.",
        default=None,
        change="in-place",
    )
    addresses: tuple[Address, ...] = declared(
        "Each server's address, which every machine of every site can dial.", default=()
    )
    endpoint: tuple[Host, ...] = declared(
        "Names or addresses of the pool API; left out: the servers' addresses.", default=()
    )
    release: Release | None = declared(
        "What servers that are machines run the pool service from; left out: the checkout.",
        default=None,
        change="in-place",
    )


def _plain_numbers(value: Any) -> Any:
    """Options go on as JSON, which has no exact decimals."""
    match value:
        case Decimal():
            return float(value)
        case dict():
            return {key: _plain_numbers(item) for key, item in value.items()}
        case list():
            return [_plain_numbers(item) for item in value]
        case _:
            return value


class App(Model):
    """A package of the library that the stack installs and owns."""

    package: Name = declared("The library package.", change="replace", example="hello")
    options: Annotated[Mapping[str, Any], BeforeValidator(_plain_numbers)] = declared(
        "The package's options; checked against the package when it is installed.",
        default={},
        change="in-place",
    )


class _ByKind:
    """Lets a site's ``kind`` choose the model that checks it."""

    def __get_pydantic_core_schema__(
        self, _source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.tagged_union_schema(
            {name: handler.generate_schema(kind.site) for name, kind in KINDS.items()},
            discriminator="kind",
        )


class Declaration(Model):
    """A whole data centre: what carries it, where its machines are, what runs on it."""

    name: Name = declared(
        "The data centre's name; every machine's name begins with it.", example="my-datacentre"
    )
    currency: Currency = declared("The currency of every price.", default="USD")
    control: Control = declared("What carries the control plane.")
    sites: Mapping[SiteName, Annotated[Site, _ByKind()]] = declared(
        "The places with machines, by name.", change="in-place", min_length=1
    )
    dropping: tuple[SiteName, ...] = declared(
        "Sites taken out of `sites` whose machines are to go with them.",
        default=(),
        change="in-place",
    )
    apps: Mapping[AppName, App] = declared(
        "What the stack installs on the pool, by name.", default={}, change="in-place"
    )
