"""One site of kind ``aws`` alone, as ``Datacenter`` makes it: the pool's side of it is made up."""

import hashlib
from pathlib import Path

import pulumi

import vdc
from vdc.plan import plan
from vdc.sites.aws import component, servers
from vdc.sites.site import ControlPlane

config = pulumi.Config()
told = config.get("told") or "one"


class Enrolment(pulumi.ComponentResource):
    """What vdc's own provider would make of the pool."""

    def __init__(self, name, inputs, opts):
        super().__init__("test:index:Enrolment", name, None, opts)
        self.user_data = pulumi.Output.secret(f"#cloud-config\n# {told} planted")
        self.digest = pulumi.Output.from_input(hashlib.sha256(told.encode()).hexdigest())
        pulumi.export(f"{name} enrolment", inputs)


class Members(pulumi.ComponentResource):
    """Likewise."""

    def __init__(self, name, inputs, opts):
        super().__init__("test:index:Members", name, None, opts)
        pulumi.export(f"{name} members", inputs)


class Server(pulumi.ComponentResource):
    """Likewise; a newer image alone is nothing to it, as to the real one."""

    def __init__(self, name, inputs, opts):
        super().__init__("test:index:Server", name, None, opts)
        self.user_data = pulumi.Output.secret(f"#cloud-config\n# {name} {told} planted")
        self.boots = inputs["image"]
        pulumi.export(
            f"{name} server", {key: inputs[key] for key in ("machine", "bundle", "count")}
        )


component.Enrolment, component.Members = Enrolment, Members
servers.Server = Server
whole = plan(vdc.load(Path("declaration.yaml")))
authority = pulumi.ComponentResource("test:index:Authority", "authority")
for leaf in ("ca", "server", "cli", "service", "join_ca"):
    setattr(authority, f"{leaf}_cert", leaf)
    setattr(authority, f"{leaf}_key", leaf)
authority.gossip_key, authority.bootstrap_token = "gossip", "token"
here = pulumi.ComponentResource("test:index:Pool", "pool")
control = ControlPlane({"token": "t"}, ["https://192.0.2.10:4700"], here)
for site in (site for site in whole.sites if site.kind == "aws"):
    made = component.Aws(site, whole.name, authority)
    for group in site.groups:
        if group.role == "server":
            found = made.servers(group, whole.control)
            pulumi.export("servers", vars(found))
        else:
            made.workers(group, control)
