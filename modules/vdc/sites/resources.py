"""The provider's resources as a Pulumi program sees them: inputs in, outputs lifted, no logic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi


class Authority(pulumi.CustomResource):
    """``vdc:security:Authority``: CA, gossip key, first token and certificates."""

    ca_cert: pulumi.Output[str]
    gossip_key: pulumi.Output[str]
    bootstrap_token: pulumi.Output[str]
    server_cert: pulumi.Output[str]
    server_key: pulumi.Output[str]
    client_cert: pulumi.Output[str]
    client_key: pulumi.Output[str]
    cli_cert: pulumi.Output[str]
    cli_key: pulumi.Output[str]
    service_cert: pulumi.Output[str]
    service_key: pulumi.Output[str]
    join_ca_cert: pulumi.Output[str]
    join_ca_key: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        stack: str,
        datacenter: str,
        fixed: Mapping[str, str],
        sites: Mapping[str, bool],
        dropping: Sequence[str],
        addresses: Sequence[str],
        endpoint: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        outputs = (
            *("ca_cert", "gossip_key", "bootstrap_token"),
            *(f"{leaf}_{part}" for leaf in _LEAVES for part in ("cert", "key")),
        )
        known = {
            "stack": stack,
            "datacenter": datacenter,
            "fixed": fixed,
            "sites": sites,
            "dropping": list(dropping),
            "addresses": list(addresses),
            "endpoint": list(endpoint),
        }
        inputs = {**known, **_outputs(*outputs)}
        super().__init__("vdc:security:Authority", name, inputs, opts)


_LEAVES = ("server", "client", "cli", "service", "join_ca")


class NodeGroup(pulumi.CustomResource):
    """``vdc:<kind>:NodeGroup``: machines from one template."""

    nodes: pulumi.Output[Mapping[str, Mapping[str, str]]]
    addresses: pulumi.Output[Sequence[str]]
    rpc: pulumi.Output[Sequence[str]]
    incarnations: pulumi.Output[Sequence[str]]

    def __init__(
        self,
        kind: str,
        name: str,
        inputs: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        outputs = _outputs("nodes", "addresses", "rpc", "incarnations")
        super().__init__(f"vdc:{kind}:NodeGroup", name, {**inputs, **outputs}, opts)


class Cluster(pulumi.CustomResource):
    """``vdc:scheduler:Cluster``: leader, access control, policies, tokens."""

    provisioner_token: pulumi.Output[str]
    operator_token: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        scheduler: Mapping[str, Any],
        incarnations: pulumi.Input[Sequence[str]],
        service_cert: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        known = {
            "scheduler": scheduler,
            "incarnations": incarnations,
            "service_cert": service_cert,
        }
        inputs = {**known, **_outputs("provisioner_token", "operator_token")}
        super().__init__("vdc:scheduler:Cluster", name, inputs, opts)


class Service(pulumi.CustomResource):
    """``vdc:pool:Service``: the pool API."""

    address: pulumi.Output[str]
    endpoints: pulumi.Output[Sequence[str]]
    console: pulumi.Output[str]
    ca_file: pulumi.Output[str]
    profile: pulumi.Output[str]

    def __init__(
        self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = _outputs("address", "endpoints", "console", "ca_file", "profile")
        super().__init__("vdc:pool:Service", name, {**inputs, **outputs}, opts)


class Opening(pulumi.CustomResource):
    """``vdc:pool:Opening``: the pool takes work; its removal ends all work."""

    def __init__(
        self, name: str, *, scheduler: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vdc:pool:Opening", name, {"scheduler": scheduler}, opts)


class App(pulumi.CustomResource):
    """``vdc:pool:App``: an installed package that the stack owns."""

    def __init__(
        self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vdc:pool:App", name, dict(inputs), opts)


def _outputs(*names: str) -> dict[str, None]:
    """Pulumi's way to say which properties the provider will fill in."""
    return dict.fromkeys(names)
