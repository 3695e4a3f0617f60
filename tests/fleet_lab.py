"""Machines of a group that a cloud makes, over :mod:`join_lab`: all are told the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from ec2_metadata import ACCOUNT, REGION, Metadata, Signer, document
from join_lab import CLIENT, Machine, as_provisioner
from nomad_lab import SITE
from pool_lab import PoolLab
from vdc.bootstrap.agent import Agent, ClientRole, client_config
from vdc.bootstrap.layout import NAMELESS
from vdc.provider import processes
from vdc.provider.enrolment import GroupAdmission, Identity, enrol, new_secret
from vdc.provider.slots import HOST

METADATA = CLIENT.with_name("vdc-metadata")
NOTICE = CLIENT.with_name("vdc-notice")


@dataclass(frozen=True)
class Fleet:
    """A group of the lab's site."""

    pool: PoolLab
    group: str
    signer: Signer = field(repr=False)
    secret: str = field(default_factory=new_secret, repr=False)

    @property
    def prefix(self) -> str:
        """What its nodes' names begin with."""
        return f"dc-{SITE}-{self.group}"

    def enrol(self, most: int = 2) -> None:
        """Lets its machines join."""
        admission = GroupAdmission.opened_by(
            self.secret,
            site=SITE,
            group=self.group,
            prefix=self.prefix,
            most=most,
            identity=Identity("pkcs7-document", ACCOUNT, REGION, self.signer.pem),
        )
        as_provisioner(self.pool, lambda nomad: enrol(nomad, admission))


@dataclass
class FleetMachine(Machine):
    """One of its machines; ``cloud`` tells it who it is."""

    cloud: Metadata = field(kw_only=True)
    fleet: Fleet = field(kw_only=True)
    id: str = field(kw_only=True)

    def told(self) -> None:
        """What user data brings, and what the cloud says."""
        etc = self.root / "etc/vdc"
        facts = {
            "VDC_NAME_PREFIX": self.fleet.prefix,
            "VDC_IDENTITY": "pkcs7-document",
            "VDC_FLEET": f"{self.fleet.prefix}-fleet",
            "VDC_HOOK": "ending",
            "VDC_SITE": SITE,
            "VDC_GROUP": self.fleet.group,
            "VDC_ENDPOINTS": self.pool.address,
        }
        if self.slot:
            facts["VDC_AGENT"] = f"{HOST}:{self.slot.ports.http}"
        text = "".join(f"{key}='{value}'\n" for key, value in facts.items())
        processes.write_private(etc / "node.env", text)
        processes.write_private(etc / "ca.pem", self.pool.lab.authority.cert)
        processes.write_private(self.secret_file, self.fleet.secret + "\n")
        processes.write_private(self.config, self._agent())
        self.cloud.vouch(self.fleet.signer, document(self.id))

    def configure(self, servers: tuple[str, ...] = ()) -> None:
        """Leaves the configuration as the client has made it."""

    def _agent(self) -> str:
        if self.slot is None:
            return f'{{"name":"{NAMELESS}"}}\n'
        data = self.root / "var/lib/vdc/agent"
        agent = Agent(NAMELESS, SITE, HOST, data, self.slot.ports, self.tls)
        role = ClientRole((self.pool.lab.rpc,), self.fleet.group, "lo", 1000, 512, 1024, ())
        return client_config(agent, role)
