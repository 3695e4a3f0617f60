"""EC2's machines where moto's are simpler: they take time, and an account has limits."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend

from labs.aws.settings import ACCOUNT, REGION
from labs.aws.wishes import Wishes

START_S, END_S = 1.0, 1.0
GONE = frozenset({"shutting-down", "terminated", "stopping", "stopped"})
_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48}
_NO_ROOM = (
    "You have requested more vCPU capacity than your current vCPU limit of {} allows for the "
    "instance bucket that the specified instance type belongs to. Please visit "
    "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
)


def region() -> Any:
    """EC2 of the lab's region in moto."""
    return ec2_backends[ACCOUNT][REGION]


def machines() -> Iterator[Any]:
    """Every machine that was ever started."""
    for reservation in list(region().reservations.values()):
        yield from reservation.instances


def become(machine: Any, state: str) -> None:
    """Another state, from now on."""
    machine._state.name, machine._state.code = state, _CODES[state]
    machine.since = time.time()


def age(machine: Any) -> None:
    """What comes by itself."""
    after = time.time() - machine.since
    if machine.state == "pending" and after > machine.start_s:
        become(machine, "running")
    elif machine.state == "shutting-down" and after > END_S:
        become(machine, "terminated")


def cpus(type_name: str) -> int:
    """The virtual CPUs of a type."""
    return int(INSTANCE_TYPES[type_name]["VCpuInfo"]["DefaultVCpus"])


def smallest(wanted: Mapping[str, Any], architecture: str) -> str | None:
    """The smallest type with attributes, as attribute-based selection would choose on price."""
    fits = [
        (_memory(it), cpus(name), name)
        for name, it in INSTANCE_TYPES.items()
        if it["CurrentGeneration"]
        and not it["BareMetal"]
        and not it["BurstablePerformanceSupported"]
        and architecture in it["ProcessorInfo"]["SupportedArchitectures"]
        and _within(cpus(name), wanted.get("VCpuCount"))
        and _within(_memory(it), wanted.get("MemoryMiB"))
    ]
    return min(fits)[2] if fits else None


def _memory(it: Mapping[str, Any]) -> int:
    return int(it["MemoryInfo"]["SizeInMiB"])


def _within(value: int, bounds: Mapping[str, Any] | None) -> bool:
    bounds = bounds or {}
    return int(bounds.get("Min") or 0) <= value <= int(bounds.get("Max") or value)


def install(wishes: Wishes) -> None:
    """From now on moto's machines are like this."""
    begin, end, run = Instance.__init__, Instance.terminate, InstanceBackend.run_instances

    @functools.wraps(begin)
    def begun(self: Any, *given: Any, **named: Any) -> None:
        begin(self, *given, **named)
        self.start_s = START_S
        for card in self.nics.values():
            card.delete_on_termination = True  # one that is made at the start is the machine's own
        become(self, "pending")

    @functools.wraps(end)
    def ended(self: Any) -> Any:
        if self.state in ("shutting-down", "terminated"):
            return self._state
        before = end(self)
        become(self, "shutting-down")
        return before

    @functools.wraps(run)
    def ran(self: Any, image: str, count: int, *given: Any, **named: Any) -> Any:
        taken = sum(cpus(it.instance_type) for it in machines() if it.state not in GONE)
        if taken + count * cpus(named["instance_type"]) > wishes.limited:
            raise EC2ClientError("VcpuLimitExceeded", _NO_ROOM.format(wishes.limited))
        return run(self, image, count, *given, **named)

    closed = NatGatewayBackend.delete_nat_gateway

    @functools.wraps(closed)
    def close(self: Any, nat_gateway_id: str) -> Any:
        gateway = closed(self, nat_gateway_id)
        self.enis.pop(gateway._eni.id, None)  # its card goes with it
        return gateway

    NatGatewayBackend.delete_nat_gateway = close  # type: ignore[method-assign]
    Instance.__init__ = begun  # type: ignore[method-assign]
    Instance.terminate = ended  # type: ignore[method-assign]
    InstanceBackend.run_instances = ran  # type: ignore[method-assign]
