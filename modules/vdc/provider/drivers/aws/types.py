"""The instance types of a region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vdc.plan.model import Size
from vdc.provider.drivers.aws.cloud import Aws

_MACHINES = {"amd64": "x86_64", "arm64": "arm64"}
_IN_A_FILTER = 200


@dataclass(frozen=True)
class Type:
    """One instance type.

    Attributes:
        name: AWS's.
        cpus: Virtual CPUs.
        memory_mib: Memory.
        machines: Architectures in AWS's words.
    """

    name: str
    cpus: int
    memory_mib: int
    machines: frozenset[str]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Type:
        """Reads EC2's description."""
        return cls(
            name=raw["InstanceType"],
            cpus=raw["VCpuInfo"]["DefaultVCpus"],
            memory_mib=raw["MemoryInfo"]["SizeInMiB"],
            machines=frozenset(raw.get("ProcessorInfo", {}).get("SupportedArchitectures", ())),
        )

    def lacks(self, size: Size, arch: str) -> str:
        """What it lacks to be a machine of this size; empty when nothing."""
        if self.cpus < size.cores:
            return f"has {self.cpus} virtual CPUs and not {size.cores}"
        if self.memory_mib < size.memory_mib:
            return f"has {self.memory_mib:,} MiB of memory and not {size.memory_mib:,}"
        if _MACHINES[arch] not in self.machines:
            return f"is not {arch}"
        return ""


class Types:
    """The types that a region has, asked for as far as they are needed."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws
        self._known: dict[str, Type | None] = {}
        self._smallest: dict[tuple[Size, str], Type | None] = {}

    def named(self, names: Iterable[str]) -> Mapping[str, Type]:
        """Those of these names that there are."""
        wanted = set(names)
        if new := sorted(wanted - self._known.keys()):
            self._known.update(dict.fromkeys(new))
            for at in range(0, len(new), _IN_A_FILTER):
                some = {"Name": "instance-type", "Values": new[at : at + _IN_A_FILTER]}
                self._known.update({kind.name: kind for kind in self._asked(some)})
        found = {name: self._known[name] for name in wanted}
        return {name: kind for name, kind in found.items() if kind}

    def smallest(self, size: Size, arch: str) -> Type | None:
        """The one of today with the fewest CPUs, and then the least memory, that has the size."""
        if (size, arch) not in self._smallest:
            self._smallest[size, arch] = self._found(size, arch)
        return self._smallest[size, arch]

    def _found(self, size: Size, arch: str) -> Type | None:
        today = {"Name": "current-generation", "Values": ["true"]}
        machines = {"Name": "processor-info.supported-architecture", "Values": [_MACHINES[arch]]}
        fit = [kind for kind in self._asked(today, machines) if not kind.lacks(size, arch)]
        return min(fit, key=lambda kind: (kind.cpus, kind.memory_mib, kind.name), default=None)

    def _asked(self, *filters: Mapping[str, object]) -> list[Type]:
        chosen = {"Filters": list(filters)}
        raws = self._aws.pages("ec2", "describe_instance_types", "InstanceTypes", **chosen)
        return [Type.of(raw) for raw in raws]
