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
        sites: Sequence[str],
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
            "sites": list(sites),
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


class Enrolment(pulumi.CustomResource):
    """``vdc:cloud:Enrolment``: the machines of a cloud's own group may join the pool.

    Made before the group, of which it gives what a launch template hands to every machine.

    Inputs are those of a node group of machines without ``count``, ``cert`` and ``key`` (see
    ``provider.machines.MachineInputs``: ``stack datacenter site group role prefix cpu_mhz
    memory_mib disk_mib drain_deadline_s ca_cert scheduler endpoints proxy ntp logs``), and:

    - ``arch``, ``init``: what the machines' system is (``amd64``, ``cloud-init``);
    - ``most``: how many nodes the group may have, of the plan;
    - ``identity``: ``verifier account region certificate``, by which the cloud vouches for them;
    - ``fleet``, ``hook``: what the cloud will call the group, and the lifecycle hook that holds
      an instance's end until it has drained itself; empty without one;
    - ``limit``: how many bytes of user data the cloud takes.

    Attributes:
        user_data: What every machine of the group is told, as plain text; secret.
        digest: Of the user data, to be shown; changes when they do.
        secret: The group's secret, kept in the state alone; secret.
    """

    user_data: pulumi.Output[str]
    digest: pulumi.Output[str]
    secret: pulumi.Output[str]

    def __init__(
        self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = _outputs("user_data", "digest", "secret")
        super().__init__("vdc:cloud:Enrolment", name, {**inputs, **outputs}, opts)


class Members(pulumi.CustomResource):
    """``vdc:cloud:Members``: how many machines a cloud's own group has, and which.

    Made after the group, whose own ideas of a size it replaces: the group begins with none, takes
    down to none and up to ``most + max(1, most // 10)``, protects new machines from scale-in,
    suspends what would end or move machines by itself, and ignores changes of its desired size.

    Inputs:

    - ``kind``: the site's; ``stack datacenter site group prefix drain_deadline_s scheduler``: as
      for a node group; ``count``: of the plan;
    - ``account``, ``region``, ``profile``: how the provider reaches the cloud; empty profile: as
      the cloud's own tools do;
    - ``fleet``: the group's name at the cloud;
    - ``template``: changes when machines are to be replaced. Every machine carries it from its
      first moment as the tag ``vdc-template`` (:data:`vdc.plan.tags.TEMPLATE`), which the launch
      template sets; at most 64 characters, such as a digest of all that the template is made from.
    """

    nodes: pulumi.Output[Mapping[str, Mapping[str, str]]]

    def __init__(
        self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("vdc:cloud:Members", name, {**inputs, **_outputs("nodes")}, opts)


class Server(pulumi.CustomResource):
    """``vdc:cloud:Server``: what one control server of a cloud boots and is told.

    Made before the machine, which is the cloud's own resource and is replaced when one of the
    outputs changes; a change returns when the cluster can do without that server. Each comes
    after the machine of the one before.

    Inputs are those of a node group of machines that carries the control plane (see
    ``provider.machines.MachineInputs``), and:

    - ``name``: the node's;
    - ``init``: what the machine's system is (``cloud-init``);
    - ``bundle``: ``url sha256`` of the software;
    - ``image``: what a machine that is made now boots;
    - ``machine``: changes when the machine is to be another one for another reason;
    - ``limit``: how many bytes of user data the cloud takes.

    Attributes:
        boots: The image of the machine, which is the one of its making.
        user_data: What it is told, as plain text; secret.
    """

    boots: pulumi.Output[str]
    user_data: pulumi.Output[str]

    def __init__(
        self, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = _outputs("boots", "user_data", "digest")
        super().__init__("vdc:cloud:Server", name, {**inputs, **outputs}, opts)


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
