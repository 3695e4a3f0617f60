"""The lab as a whole: a network with moto's AWS on it, and nodes for what that shows as running."""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labs import cloud_faults
from labs.aws.identity import Authority
from labs.aws.settings import ACCOUNT, ENDPOINT, KEY, METADATA, MOTO, REGION, SECRET
from labs.aws.wishes import Wishes
from labs.boots import BRIDGE, Boots, Instance, remove_nodes
from labs.images import machine_image, variant
from labs.lab import SIDE, NamedLab
from labs.standin import plugins
from nomad_lab import wait_for
from vdc.provider import processes

if TYPE_CHECKING:
    from boto3 import Session
    from botocore.client import BaseClient

IMAGE_PARAMETER = "/aws/service/debian/release/12/latest/amd64"
_TESTS = Path(__file__).parents[2]
_START_S = 60.0
_FOREIGN = ("AWS_", "BOTO_")
_MAKING = threading.Lock()


@cache
def _session() -> Session:
    """One for all clients: each session reads what the SDK knows of the services anew."""
    import boto3

    return boto3.Session(region_name=REGION)


class Lab(NamedLab):
    """A network with AWS's API on :data:`SIDE`, and machines behind it; see :class:`NamedLab`."""

    KIND = "aws"

    @property
    def authority(self) -> Authority:
        """Whose certificate the declaration names."""
        return Authority(self.folder / "keys")

    @property
    def wishes(self) -> Wishes:
        """What is to happen at the cloud: quotas, spot notices, images."""
        return Wishes(self.folder / "wishes")

    @property
    def environment(self) -> Mapping[str, str]:
        """Of programs that use the lab: its API and credential, and the stand-ins on ``PATH``."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        return {
            **kept,
            "AWS_ENDPOINT_URL": ENDPOINT,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        }

    # --- use ------------------------------------------------------------------------

    def client(self, service: str, **more: Any) -> BaseClient:
        """boto3's client of a service; used by threads that are in the lab's network."""
        named = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, **more}
        with _MAKING:  # a session makes one client at a time
            return _session().client(service, endpoint_url=ENDPOINT, **named)

    @contextmanager
    def boots(self) -> Iterator[Boots]:
        """Meanwhile every instance that the API shows as running does run."""
        with self.network.entered(), Boots(self, _Shown(self).instances) as boots:
            yield boots

    @contextmanager
    def fault(self, fault: cloud_faults.Fault) -> Iterator[Callable[[], list[str]]]:
        """Meanwhile something goes wrong; see :attr:`Wishes.faults`; gives what has met it.

        Of several the one that was asked for first is met first.
        """
        folder, name = self.wishes.faults, f"{time.monotonic_ns():020}"
        cloud_faults.ask(folder, name, fault)
        try:
            yield lambda: cloud_faults.met(folder, name)
        finally:
            cloud_faults.forget(folder, name)

    @contextmanager
    def quota(self, cpus: int) -> Iterator[None]:
        """Meanwhile the account may run so many virtual CPUs."""
        self.wishes.limit(cpus)
        try:
            yield
        finally:
            self.wishes.limit(None)

    def publish(self, files: Mapping[str, str] | None = None) -> str:
        """A new Debian 12 with files over it, the newest from now on; its AMI."""
        ami = f"ami-{secrets.token_hex(9)[:17]}"
        made = self.folder / f"{ami}.qcow2"
        variant(machine_image().root, {**self.authority.trust(), **(files or {})}, made)
        self.wishes.publish(ami, made, IMAGE_PARAMETER)
        with self.network.entered():
            images = self.client("ec2")
            chosen = [{"Name": "image-id", "Values": [ami]}]
            wait_for(f"image {ami}", lambda: images.describe_images(Filters=chosen)["Images"])
        return ami

    # --- life -----------------------------------------------------------------------

    def usage(self) -> Iterator[str]:
        """What a shell has to be told."""
        yield f"# account {ACCOUNT}, region {REGION}"
        yield f"# identity: {self.authority.folder / 'identity.pem'}"
        for name, value in self.environment.items():
            if name == "PATH" or name.startswith("AWS_"):
                yield f"export {name}={value}"

    def _begin(self) -> None:
        self.network.bridge(BRIDGE, f"{SIDE}/24")
        self.network.ip("address", "add", f"{METADATA}/32", "dev", BRIDGE)
        self.authority.make()
        self.wishes.make()
        plugins(self.folder / "bin")
        self._start_names()
        self._start_server()
        self.publish()

    def _end(self) -> None:
        remove_nodes(self)

    def _start_names(self) -> None:
        """A name server on every address that the bridge gets; it knows AWS, and nobody else."""
        words = (
            *("dnsmasq", "--conf-file=/dev/null", "--pid-file=", "--user=root"),
            *("-8", str(self.folder / "dnsmasq.log")),
            *(f"--interface={BRIDGE}", "--bind-dynamic", "--no-resolv", "--no-hosts"),
            f"--address=/amazonaws.com/{SIDE}",
            f"--host-record=side.lab,{SIDE}",
        )
        subprocess.run(self.command(*words), check=True)  # which goes into the background

    def _start_server(self) -> None:
        log = self.folder / "server.log"
        server = (sys.executable, "-m", "labs.aws.server", str(self.folder))
        told = {"PYTHONPATH": f"{_TESTS}:{_TESTS.parent / 'modules'}", **MOTO}
        words = self.command("env", *(f"{name}={value}" for name, value in told.items()), *server)
        started = processes.start(words, self.folder, log)

        def answers() -> bool:
            assert processes.alive(started), processes.last_words(log, 20)
            ask = ("curl", "--silent", "--max-time", "2", "--output", "/dev/null", ENDPOINT)
            return subprocess.run(self.command(*ask)).returncode == 0

        wait_for("the API", answers, _START_S)


class _Shown:
    """What the API shows; what never changes of an instance is asked once."""

    def __init__(self, lab: Lab) -> None:
        self._lab, self._ec2 = lab, lab.client("ec2")
        self._known: dict[str, Instance] = {}

    def instances(self) -> list[Instance]:
        """Those that run."""
        chosen = [{"Name": "instance-state-name", "Values": ["running"]}]
        pages = self._ec2.get_paginator("describe_instances").paginate(Filters=chosen)
        found = [it for page in pages for one in page["Reservations"] for it in one["Instances"]]
        self._known = {it["InstanceId"]: self._instance(it) for it in found}
        return list(self._known.values())

    def _instance(self, it: dict[str, Any]) -> Instance:
        id = it["InstanceId"]  # noqa: A001 - the cloud's word
        if id in self._known:
            return self._known[id]
        said = self._ec2.describe_instance_attribute(InstanceId=id, Attribute="userData")
        (subnet,) = self._ec2.describe_subnets(SubnetIds=[it["SubnetId"]])["Subnets"]
        network = ipaddress.ip_network(subnet["CidrBlock"])
        root = self._lab.wishes.images().get(it["ImageId"])
        return Instance(
            id=id,
            name=it["PrivateDnsName"].partition(".")[0],
            user_data=base64.b64decode(said["UserData"].get("Value", "")),
            address=it["PrivateIpAddress"],
            gateway=str(network[1]),
            prefix_len=network.prefixlen,
            root=Path(root[0]) if root else None,
        )


aws_lab = Lab.standing
