"""What killed runs have left in a cloud: found by this user's trail, removed by its marks."""

from __future__ import annotations

from collections.abc import Collection

from vdc.errors import NodeError
from vdc.plan.model import Size
from vdc.plan.tags import tags
from vdc.provider.door import Door
from vdc.provider.drivers.openstack import trail
from vdc.provider.drivers.openstack.cloud import cloud
from vdc.provider.drivers.openstack.driver import OpenstackDriver
from vdc.provider.drivers.openstack.model import Template
from vdc.provider.drivers.openstack.trail import Step, Trail


def owners(stack: str) -> frozenset[str]:
    """The owners of a stack's nodes, as far as this user has made them."""
    return frozenset(step.owner for step in trail.steps(stack))


async def reap(stack: str, keep: Collection[str], forget_silent: bool = False) -> list[str]:
    """Removes a stack's nodes whose owner is not to be kept; returns their names.

    Only for what no state records any more: nothing is drained.

    Raises:
        NodeError: A cloud does not answer; what is there is remembered for the next time, unless
            ``forget_silent``.
    """
    gone: list[str] = []
    problems: list[str] = []
    for step in trail.steps(stack):
        if step.owner in keep:
            continue
        driver = _driver(stack, step)
        try:
            gone += await driver.clear()
        except NodeError as error:
            if not forget_silent:
                problems.append(str(error))
                continue
        Trail(trail.folder(stack), step).leave()
    if problems:
        raise NodeError("\n".join(problems))
    return sorted(gone)


def _driver(stack: str, step: Step) -> OpenstackDriver:
    """A driver that knows whose the group's things are, and no more."""
    _, site, group = step.owner.split("/")
    whose = tags(step.datacenter, stack, site, group)
    nothing = Template(
        realm=step.realm,
        tags=tuple(sorted(whose.items())),
        prefix="",
        names=(),
        image="",
        flavor="",
        size=Size(0, 0, 0),
        network="",
    )
    return OpenstackDriver(
        nothing,
        lambda _name, _secret: "",
        cloud(step.cloud, step.region),
        Door(_joined, _no_secret, _nothing),
        Trail(trail.folder(stack), step),
        f"{step.datacenter}-",
    )


async def _joined(_: str) -> bool:
    return False


async def _no_secret(_: str) -> str:
    return ""


async def _nothing(_: str) -> None:
    """The pool of what no state records is gone."""
