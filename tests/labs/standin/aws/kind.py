"""What all types of AWS have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from botocore.model import Shape

from labs.standin.aws import shapes
from labs.standin.aws.api import Api, ids
from labs.standin.carried import Reference, Type, Values
from labs.standin.checking import Problem

_TAG_KEY, _TAG_VALUE, _TAGS = 128, 256, 50
_OF_PLUGIN = frozenset({"region", "tags", "namePrefix"})


class AwsType(Type):
    """A type whose inputs are, for the most part, arguments of one operation."""

    asks: ClassVar[tuple[str, str]]
    """Service and operation that makes it."""
    names: ClassVar[shapes.Names] = {}
    """Members by the properties that are called otherwise."""
    also: ClassVar[frozenset[str]] = frozenset()
    """Properties that are carried out in other ways."""
    refers: ClassVar[Mapping[str, str]] = {}
    """Properties that hold a name of something, with what it is of."""

    @property
    def shape(self) -> Shape:
        """What the operation takes."""
        return shapes.asked(*self.asks)

    def request(self, inputs: Values) -> dict[str, Any]:
        """The operation's arguments, without tags and without what is ``also`` carried out."""
        left = self.also | _OF_PLUGIN
        given = {name: value for name, value in inputs.items() if name not in left}
        made: dict[str, Any] = shapes.request(self.shape, given, self.names)
        return made

    def problems(self, inputs: Values) -> Iterable[Problem]:
        yield from self.left_out(inputs, self.shape)
        given = {name: value for name, value in inputs.items() if name not in self.also}
        yield from shapes.problems(self.shape, given, self.names)
        yield from tag_problems(inputs.get("tags"), "tags")

    def left_out(self, inputs: Values, shape: Shape) -> Iterator[Problem]:
        """What would be passed over in silence."""
        carried = {member.lower() for member in shape.members}
        for name in inputs:
            known = name in self.also | _OF_PLUGIN or name.startswith("__")
            if not known and self.names.get(name, name).lower() not in carried:
                yield Problem(name, "is declared by the SDK; the stand-in does not carry it out")

    def references(self, inputs: Values) -> Iterator[Reference]:
        yield from ids(inputs)
        for path, kind in self.refers.items():
            value: Any = inputs
            for name in path.split("."):
                value = value.get(name) if isinstance(value, Mapping) else None
            if isinstance(value, str):
                yield Reference(path, kind, value)


def ec2_arn(api: Api, kind: str, key: str) -> str:
    """The Amazon resource name of an EC2 thing."""
    return f"arn:aws:ec2:{api.region}:{api.account}:{kind}/{key}"


def tag_problems(tags: Any, path: str) -> Iterator[Problem]:
    """AWS's bounds of tags, which no definition carries."""
    if not isinstance(tags, Mapping):
        return
    if len(tags) > _TAGS:
        yield Problem(path, f"are {len(tags)} tags, AWS takes no more than {_TAGS}")
    for key, value in tags.items():
        at = f"{path}.{key}"
        if len(key) > _TAG_KEY:
            yield Problem(at, f"has a key of {len(key)} characters, AWS takes {_TAG_KEY}")
        if key.lower().startswith("aws:"):
            yield Problem(at, "begins with aws:, which AWS keeps for itself")
        if isinstance(value, str) and len(value) > _TAG_VALUE:
            yield Problem(at, f"has {len(value)} characters, AWS takes no more than {_TAG_VALUE}")
