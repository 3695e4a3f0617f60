"""Pulumi's property maps to Python values and back.

Pulumi sends properties as protobuf structs in which a secret is a map with a signature and an
unknown (in preview) is a fixed string. Here a secret is a plain value on the way in, marked by
name on the way out, and an unknown is :data:`UNKNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import json_format, struct_pb2

# The engine's signatures: sdk/go/common/resource/properties.go of pulumi/pulumi.
_SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
_SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a signature, public
_OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
# sdk/go/common/resource/plugin/rpc.go
_UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class _Unknown:
    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = _Unknown()
"""A value that this preview cannot know."""


def decode(properties: struct_pb2.Struct) -> dict[str, Any]:
    """A property map as plain values: secrets unwrapped, unknowns as :data:`UNKNOWN`."""
    return {key: _plain(value) for key, value in json_format.MessageToDict(properties).items()}


def encode(values: Mapping[str, Any], secrets: frozenset[str] = frozenset()) -> struct_pb2.Struct:
    """A property map for the engine; the top-level keys in ``secrets`` are marked secret."""
    struct = struct_pb2.Struct()
    struct.update(
        {
            key: {_SIGNATURE: _SECRET, "value": _wire(value)} if key in secrets else _wire(value)
            for key, value in values.items()
        }
    )
    return struct


def has_unknown(value: Any) -> bool:
    """Whether an unknown stands anywhere inside."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) in (_SECRET, _OUTPUT):
            return _plain(value["value"]) if "value" in value else UNKNOWN
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value == _UNKNOWN_STRING:
        return UNKNOWN
    if isinstance(value, float) and value.is_integer():
        return int(value)  # a struct knows only doubles
    return value


def _wire(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _wire(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_wire(item) for item in value]
    return _UNKNOWN_STRING if value is UNKNOWN else value
