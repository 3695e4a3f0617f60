"""Wrong programs as files, and what a stand-in says to them.

A file holds resources by name, each with its ``type`` and ``properties``, or a ``function``.
``${net.id}`` stands for what another resource gives. ``!text 300`` is so many characters, and
``!base64 300`` so many bytes in base64.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import yaml
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from labs.standin.carried import Cloud
from labs.standin.servicer import Servicer
from vdc.provider.wire import UNKNOWN, encode

CASES = Path(__file__).parents[2] / "cases"


class _Loader(yaml.SafeLoader):
    """Knows the two tags."""


_Loader.add_constructor("!text", lambda _, node: "x" * int(node.value))
_Loader.add_constructor(
    "!base64", lambda _, node: base64.b64encode(b"x" * int(node.value)).decode()
)


def names(cloud: str) -> list[str]:
    """Files of wrong programs for a cloud."""
    return sorted(file.name for file in CASES.glob(f"standin.error.{cloud}.*.yaml"))


async def said(cloud: Cloud, name: str) -> list[str]:
    """What a stand-in says to a file: a line for each problem."""
    document = yaml.load((CASES / name).read_text(encoding="utf-8"), _Loader)  # noqa: S506 - safe
    async with _serving(cloud) as stub:
        return [
            f"{resource}: {line}"
            for resource, wanted in document.items()
            for line in await _said(stub, resource, wanted)
        ]


async def _said(stub: Any, resource: str, wanted: Mapping[str, Any]) -> list[str]:
    properties = encode(_referred(wanted.get("properties") or {}))
    try:
        if "function" in wanted:
            asked = provider_pb2.InvokeRequest(tok=wanted["function"], args=properties)
            answer = await stub.Invoke(asked)
        else:
            urn = f"urn:pulumi:lab::standin::{wanted['type']}::{resource}"
            request = provider_pb2.CheckRequest(urn=urn, news=properties, randomSeed=b"seed")
            answer = await stub.Check(request)
    except grpc.aio.AioRpcError as error:
        return [str(error.details())]
    return [f"{f.property} {f.reason}".strip() for f in answer.failures]


def _referred(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _referred(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_referred(entry) for entry in value]
    return UNKNOWN if isinstance(value, str) and value.startswith("${") else value


@asynccontextmanager
async def _serving(cloud: Cloud) -> AsyncIterator[Any]:
    server = grpc.aio.server()
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(cloud), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        options = [("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield provider_pb2_grpc.ResourceProviderStub(channel)
    finally:
        await server.stop(None)
