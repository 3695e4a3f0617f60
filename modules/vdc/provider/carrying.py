"""Machines that carry the control plane: what they are told, and the pool service's program."""

from __future__ import annotations

from pathlib import Path

from vdc.bootstrap.control import Carry, PoolService, ServiceKeys
from vdc.home import Home
from vdc.provider.release import fetched, wheelhouse
from vdc.provider.resources.node_group import GroupInputs, PoolInputs


def carry(inputs: GroupInputs) -> Carry:
    """What the servers of a group have in common."""
    addresses = dict(zip(inputs.names, inputs.server_addresses, strict=True))
    return Carry(addresses, inputs.gossip_key, inputs.cert, inputs.key, _pool(inputs))


def program(pool: PoolInputs, arch: str, home: Home) -> Path:
    """The pool service's program for servers: as declared, else made from the checkout.

    Raises:
        ToolchainError: It cannot be had.
    """
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
