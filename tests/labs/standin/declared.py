"""What an installed ``pulumi-<cloud>`` SDK declares, read from its classes as they are.

The SDK is the publisher's own list of types, properties, kinds of value and what is required, so
nothing about it is repeated here. Importing one takes seconds: see :mod:`labs.standin.known`.
"""

from __future__ import annotations

import difflib
import enum
import inspect
import pickle
import re
import sys
import typing
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import pulumi
from pulumi import _types
from pulumi.runtime import rpc

from labs.standin.shape import (
    Block,
    Choice,
    Either,
    ListOf,
    MapOf,
    Scalar,
    Shape,
    UnknownTokenError,
)


@dataclass(frozen=True)
class Package:
    """One SDK, by its name in tokens (``aws``)."""

    name: str

    def resource(self, token: str) -> Block:
        """Inputs of a resource type; raises :class:`UnknownTokenError`."""
        found = self._class(token)
        return _block(getattr(sys.modules[found.__module__], f"{found.__name__}Args"))

    def outputs(self, token: str) -> frozenset[str]:
        """Names of a resource type's outputs; raises :class:`UnknownTokenError`."""
        return frozenset(_types.resource_types(self._class(token)))

    def block(self, token: str) -> Block:
        """Of a resource type, of a function, or, for ``provider``, of the settings."""
        if token == "provider":
            return self.provider()
        function = token.rpartition(":")[2][:1].islower()
        return self.function(token) if function else self.resource(token)

    def provider(self) -> Block:
        """Settings of the provider itself."""
        return _block(self._module("").ProviderArgs)

    def function(self, token: str) -> Block:
        """Arguments of a function (an *invoke*); raises :class:`UnknownTokenError`."""
        match = re.fullmatch(rf"{self.name}:(?:index/|([\w]+)/)?\w+:(\w+)", token)
        if match:
            function = getattr(self._module(match[1] or ""), _snake(match[2]), None)
            if inspect.isfunction(function) and f"'{token}'" in inspect.getsource(function):
                return _arguments(function)
        raise UnknownTokenError(f"pulumi-{self.name} declares no function {token}")

    def _class(self, token: str) -> type:
        self._module("")
        folder = token.rpartition(":")[0]
        for module in rpc._RESOURCE_MODULES.get(folder, ()):
            info = module.mod_info  # type: ignore[attr-defined]
            if token in info["classes"]:
                found: type = getattr(import_module(info["fqn"]), info["classes"][token])
                return found
        known = [name for key in self._registered() for name in key.mod_info["classes"]]
        near = difflib.get_close_matches(token, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UnknownTokenError(f"pulumi-{self.name} declares no resource {token}{hint}")

    def _registered(self) -> list[Any]:
        modules = rpc._RESOURCE_MODULES
        return [m for key in modules if key.startswith(f"{self.name}:") for m in modules[key]]

    def _module(self, folder: str) -> Any:
        return import_module(f"pulumi_{self.name}" + (f".{folder}" if folder else ""))


@cache
def _block(cls: type) -> Block:
    made: Any = vars(cls)["__init__"]
    hints = _hints(made, cls.__module__)
    names = _types.input_type_py_to_pulumi_names(cls)
    return _of(cls.__name__.removesuffix("Args"), made, hints, names)


def _arguments(function: Any) -> Block:
    hints = _hints(function, function.__module__)
    # Each stands once as ``__args__['vpcId'] = vpc_id``.
    passed = re.findall(r"__args__\['(\w+)'\] = (\w+)", inspect.getsource(function))
    return _of(function.__name__, function, hints, {python: name for name, python in passed})


def _hints(callee: Any, module: str) -> Mapping[str, Any]:
    # ``pulumi.Input[T]`` names these two, which a generated module does not import.
    own = {"Output": pulumi.Output, "T": type(None)}
    return typing.get_type_hints(callee, vars(sys.modules[module]), own)


def _of(name: str, callee: Any, hints: Mapping[str, Any], names: Mapping[str, str]) -> Block:
    parameters = {
        names[python]: parameter
        for python, parameter in inspect.signature(callee).parameters.items()
        if python in names
    }
    return Block(
        name,
        {wire: _shape(hints[p.name]) for wire, p in parameters.items()},
        frozenset(wire for wire, p in parameters.items() if p.default is inspect.Parameter.empty),
        {wire: p.name for wire, p in parameters.items()},
    )


def _shape(annotation: Any) -> Shape:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union:
        return _one_of([a for a in arguments if not _is_wrapping(a)])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return MapOf(_shape(arguments[1]))
    if isinstance(origin, type) and issubclass(origin, typing.Sequence):
        return ListOf(_shape(arguments[0]))
    if isinstance(annotation, type):
        if _types.is_input_type(annotation):
            return _block(annotation)
        if issubclass(annotation, enum.Enum):
            return Choice(tuple(str(member.value) for member in annotation))
        if annotation in (str, int, float, bool):
            return Scalar(annotation)
        if issubclass(annotation, pulumi.Resource):
            return Scalar(str)  # a resource in the place of its name
    return Scalar(object)


def _one_of(choices: list[Any]) -> Shape:
    shapes = [_shape(choice) for choice in choices]
    # An enumeration beside ``str`` is a list of suggestions: any text is taken.
    scalar = next((shape for shape in shapes if isinstance(shape, Scalar)), None)
    block = next((shape for shape in shapes if isinstance(shape, Block)), None)
    if block and scalar:
        return Either(block, scalar)
    return block or scalar or next(iter(shapes), Scalar(object))


def _is_wrapping(annotation: Any) -> bool:
    """Whether it is a way to give a value (a promise, a typed dictionary), or no value at all."""
    origin = typing.get_origin(annotation)
    return (
        annotation is type(None)
        or origin in (Awaitable, pulumi.Output)
        or annotation is pulumi.Output
        or typing.is_typeddict(annotation)
        or (isinstance(annotation, type) and _types.is_output_type(annotation))
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def main() -> None:
    """Writes what a package declares of some tokens, pickled, by token."""
    package, *tokens = sys.argv[1:]
    try:
        made = {token: Package(package).block(token) for token in tokens}
    except UnknownTokenError as error:
        sys.exit(str(error))
    sys.stdout.buffer.write(pickle.dumps(made))


if __name__ == "__main__":
    main()
