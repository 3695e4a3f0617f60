"""A node group as a Pulumi resource: a template and a count, a diff line for each node."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Literal, TypeVar

from vdc.errors import SchedulerError, StackError
from vdc.plan.model import Size
from vdc.provider.connection import SchedulerInputs, recognised
from vdc.provider.drivers import Driver, Members, NodeFacts
from vdc.provider.groups import Converged, converge, remove
from vdc.provider.members import ClientMembers, ServerMembers
from vdc.provider.permissions import permitted
from vdc.provider.resource import Call, Drift, Inputs, Made, Outputs, Resource
from vdc.provider.wire import has_unknown
from vdc.scheduler.client import Nomad


class PoolInputs(Inputs):
    """The pool service that comes with each server; see ``bootstrap.control``.

    ``release`` is where its program lies and its SHA-256; empty makes it from the checkout.
    """

    endpoints: tuple[str, ...]
    cert: str
    key: str
    join_cert: str
    join_key: str
    release: tuple[str, str] | tuple[()] = ()


class GroupInputs(Inputs):
    """What every kind's group is made from.

    Attributes:
        role: ``server`` carries the control plane, ``client`` runs work.
        prefix: Beginning of the nodes' names; the rest is the member, or the index.
        members: The machines by name, where the kind names them.
        server_addresses: For servers: where others dial each, in the order of their names; empty
            for loopback, where the kind offers that.
        gossip_key: For servers; a Pulumi secret.
        key: Private key of ``cert``; a Pulumi secret.
        scheduler: How the provider drains clients and asks for the health of servers, whose
            addresses are their own.
        pool: For servers: the pool service beside each, where it does not run on this machine.
        nodes: What the provider's check adds: each node as it is to be.
        digest: Likewise, of the template; empty while the template holds unknowns.
    """

    stack: str
    datacenter: str
    site: str
    group: str
    role: Literal["server", "client"]
    prefix: str
    count: int
    members: tuple[str, ...] = ()
    cpu_mhz: int
    memory_mib: int
    disk_mib: int
    drain_deadline_s: int
    ca_cert: str
    cert: str
    key: str
    server_addresses: tuple[str, ...] = ()
    gossip_key: str = ""
    scheduler: SchedulerInputs | None = None
    pool: PoolInputs | None = None
    nodes: Mapping[str, Mapping[str, str]] = {}
    digest: str = ""

    @property
    def size(self) -> Size:
        """What each node offers."""
        return Size(self.cpu_mhz, self.memory_mib, self.disk_mib)

    @property
    def owner(self) -> str:
        """The mark of this group's nodes."""
        return f"{self.stack}/{self.site}/{self.group}"

    @property
    def names(self) -> tuple[str, ...]:
        """The wanted nodes, in order."""
        return _names(self.prefix, self.members, self.count)


GroupT = TypeVar("GroupT", bound=GroupInputs)


class NodeGroup(Resource[GroupT]):
    """The group logic behind Pulumi's protocol; a kind adds its driver and its inputs."""

    refused: ClassVar[frozenset[str]] = frozenset(
        {"stack", "datacenter", "site", "group", "role", "prefix"}
    )

    @abstractmethod
    def driver(self, inputs: GroupT, nomad: Nomad | None) -> Driver:
        """The kind's driver for one group; ``nomad`` is there for clients."""

    def ready_s(self, inputs: GroupT) -> int:
        """Seconds that a new node gets to become ready in the pool."""
        return 300

    def identify(self, inputs: GroupT) -> str:
        """The prefix is unique in the data centre."""
        return inputs.prefix

    def expect(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Every wanted node, running: preview shows a line for each that differs."""
        count = inputs.get("count")
        if not isinstance(count, int):
            return {}
        names = _names(str(inputs["prefix"]), inputs.get("members", ()), count)
        nodes = {name: {"state": "running"} for name in names}
        if has_unknown(inputs):
            return {"nodes": nodes}
        digest = self.driver(self.inputs.model_validate(inputs), None).digest
        return {"nodes": nodes, "digest": digest}

    def predict(self, inputs: Mapping[str, Any], old: Outputs | None) -> Outputs:
        """Known nodes as they will be, new ones as running, removed ones gone."""
        known = (old or {}).get("nodes", {})
        expected = self.expect(inputs)
        wanted = expected.get("nodes", {})
        nodes = {name: {**known.get(name, {}), **facts} for name, facts in wanted.items()}
        kept = old if old and nodes.keys() == known.keys() else {}
        return {**kept, **expected, "nodes": nodes}

    def drifted(self, inputs: GroupT, old: Outputs) -> Mapping[str, Drift]:
        """Nodes that are gone, stopped, surplus, or made from another template."""
        known = old.get("nodes", {})
        drift: dict[str, Drift] = {}
        for name in {*known, *inputs.names}:
            path = f'nodes["{name}"]'
            if name not in known:
                drift[path] = "ADD"
            elif name not in inputs.names:
                drift[path] = "DELETE"
            elif known[name].get("state") != "running":
                drift[path] = "UPDATE"
        if old.get("digest") != inputs.digest:
            drift["digest"] = "UPDATE"
        return drift

    async def create(self, call: Call, inputs: GroupT) -> Made:
        """See the group logic."""
        async with self._connected(inputs) as (driver, members):
            return _made(await converge(driver, members, inputs.names, call.stopping), driver)

    async def update(self, call: Call, inputs: GroupT, old: Outputs) -> Made:
        """The back end is read anew; the old outputs are not asked."""
        return await self.create(call, inputs)

    async def read(self, call: Call, inputs: GroupT, old: Outputs) -> Outputs | None:
        """What bears the group's mark now. A group whose nodes are all gone is still a group."""
        driver = self.driver(inputs, None)
        found = tuple((await driver.owned()).values())
        # The digest of what runs, so that a changed template shows as drift of the group.
        digests = {node.digest for node in found if node.state != "partial"}
        return _outputs(found, digests.pop() if len(digests) == 1 else old.get("digest", ""))

    async def delete(self, call: Call, inputs: GroupT, old: Outputs) -> None:
        """Drains and removes every node; a node that keeps its work keeps the group."""
        async with self._connected(inputs) as (driver, members):
            owned = (await driver.owned()).values()
            try:
                problems = await remove(driver, members, owned, call.stopping)
            except SchedulerError as error:
                raise StackError(
                    f"cannot drain group {inputs.group}: {error}; if the scheduler is gone for "
                    "good, destroy with --force"
                ) from error
        if problems:
            raise StackError("\n".join(problems))

    @asynccontextmanager
    async def _connected(self, inputs: GroupT) -> AsyncIterator[tuple[Driver, Members]]:
        if inputs.role == "server":
            driver = self.driver(inputs, None)
            async with _servers(inputs, await driver.owned()) as servers:
                yield driver, ServerMembers(servers, inputs.count, unhealthy=permitted().unhealthy)
            return
        if inputs.scheduler is None:
            raise StackError(f"group {inputs.group} was not told where the scheduler is")
        async with inputs.scheduler.connect() as nomad:
            await recognised(nomad)
            members = ClientMembers(
                nomad,
                inputs.site,
                inputs.group,
                ready_s=self.ready_s(inputs),
                drain_s=inputs.drain_deadline_s,
                permitted=permitted(),
            )
            yield self.driver(inputs, nomad), members


@asynccontextmanager
async def _servers(
    inputs: GroupInputs, owned: Mapping[str, NodeFacts]
) -> AsyncIterator[tuple[Nomad, ...]]:
    """A connection to each server that runs."""
    running = tuple(node for node in owned.values() if node.state == "running")
    addresses = _outputs(running, "")["addresses"]
    if inputs.scheduler is None:
        yield ()
        return
    async with inputs.scheduler.each(addresses) as servers:
        yield servers


def _names(prefix: str, members: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}-{suffix}" for suffix in members or range(count))


def _made(converged: Converged, driver: Driver) -> Made:
    return Made(_outputs(converged.nodes, driver.digest), converged.problems)


def _outputs(nodes: tuple[NodeFacts, ...], digest: str) -> dict[str, Any]:
    # By name, whatever the back end's order: what follows is made from these lists, and a server
    # that was made anew would otherwise be another order of them, and so other work nodes.
    facts = {node.name: dict(node.facts) for node in sorted(nodes, key=lambda node: node.name)}
    return {
        "digest": digest,
        "nodes": {
            node.name: {"state": node.state, "address": facts[node.name].get("address", "")}
            for node in nodes
        },
        # Only servers are dialled: thousands of clients' addresses need not be inputs of anything.
        "addresses": [f"https://{f['address']}:{f['http']}" for f in facts.values() if "http" in f],
        "rpc": [f"{f['address']}:{f['rpc']}" for f in facts.values() if "rpc" in f],
        "incarnations": [f["incarnation"] for f in facts.values() if "incarnation" in f],
    }
