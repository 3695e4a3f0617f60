"""Groups of machines that carry the control plane: what they are told, and their software."""

from __future__ import annotations

from pathlib import Path

from vdc.bootstrap.control import Carry, PoolService, ServiceKeys
from vdc.home import Home
from vdc.provider.archive import Archive
from vdc.provider.bundle import bundle
from vdc.provider.release import fetched, wheelhouse
from vdc.provider.resources.node_group import GroupInputs, PoolInputs


def carry(inputs: GroupInputs) -> Carry:
    """What the servers of a group have in common."""
    addresses = dict(zip(inputs.names, inputs.server_addresses, strict=True))
    return Carry(addresses, inputs.gossip_key, inputs.cert, inputs.key, _pool(inputs))


def software(inputs: GroupInputs, arch: str, agent: Path, home: Home) -> Archive:
    """What the machines of a group install; the pool service's program is servers' alone.

    Raises:
        ToolchainError: It cannot be made.
    """
    return bundle(arch, agent, home, _program(inputs.pool, arch, home) if inputs.pool else None)


def _program(pool: PoolInputs, arch: str, home: Home) -> Path:
    return fetched(*pool.release, home) if pool.release else wheelhouse(arch, home).path


def _pool(inputs: GroupInputs) -> PoolService | None:
    if inputs.pool is None or inputs.scheduler is None:
        return None
    keys = ServiceKeys(
        cert=inputs.pool.cert,
        key=inputs.pool.key,
        join_cert=inputs.pool.join_cert,
        join_key=inputs.pool.join_key,
        scheduler_cert=inputs.scheduler.cert,
        scheduler_key=inputs.scheduler.key,
    )
    return PoolService(inputs.datacenter, inputs.pool.endpoints, keys)
