"""The metadata service, in its second version only: who asks is known by the address."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from labs.aws import machines
from labs.aws.identity import Authority
from labs.aws.settings import ACCOUNT, METADATA, REGION
from labs.aws.wishes import Wishes

_FORM = "%Y-%m-%dT%H:%M:%SZ"
_ROLE_HOURS = 6


class Metadata(ThreadingHTTPServer):
    """Serves machines of moto's EC2.

    Attributes:
        roles: Key, secret and token by role that were given out; see :mod:`labs.aws.door`.
    """

    daemon_threads = True

    def __init__(self, authority: Authority, wishes: Wishes, lock: threading.RLock) -> None:
        super().__init__((METADATA, 80), _Handler)
        self.authority, self.wishes, self.lock = authority, wishes, lock
        self.tokens: dict[str, tuple[str, float]] = {}
        self.documents: dict[str, tuple[bytes, str, str]] = {}
        self.roles: dict[str, dict[str, str]] = {}

    def machine(self, address: str) -> Any:
        """The machine with an address."""
        live = (it for it in machines.machines() if it.state not in machines.GONE)
        return next((it for it in live if it.private_ip == address), None)


class _Handler(BaseHTTPRequestHandler):
    server: Metadata
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nodes ask every few seconds."""

    def do_PUT(self) -> None:
        """A token."""
        try:
            seconds = int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"])
        except (TypeError, ValueError):
            seconds = 0
        machine = self._machine()
        if self.path != "/latest/api/token" or not 1 <= seconds <= 21600 or machine is None:
            self._answer(400, "")
            return
        hops = machine.metadata_options.http_put_response_hop_limit
        self.connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
        token = secrets.token_urlsafe(40)
        self.server.tokens[token] = (self.client_address[0], time.time() + seconds)
        self._answer(200, token)

    def do_GET(self) -> None:
        """Something about the machine."""
        token = self.headers.get("X-aws-ec2-metadata-token", "")
        address, until = self.server.tokens.get(token, ("", 0.0))
        if address != self.client_address[0] or until < time.time():
            self._answer(401, "")
            return
        with self.server.lock:
            machine = self._machine()
            text = None if machine is None else self._about(machine, self.path)
        self._answer(404 if text is None else 200, text or "")

    def _machine(self) -> Any:
        with self.server.lock:
            return self.server.machine(self.client_address[0])

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def _about(self, machine: Any, path: str) -> str | None:
        path = path.removeprefix("/latest/")
        plain = {
            "meta-data/instance-id": machine.id,
            "meta-data/instance-type": machine.instance_type,
            "meta-data/ami-id": machine.image_id,
            "meta-data/local-ipv4": machine.private_ip,
            "meta-data/placement/region": REGION,
            "meta-data/placement/availability-zone": machine.availability_zone,
            "meta-data/services/domain": "amazonaws.com",
            "meta-data/services/partition": "aws",
        }
        if path in plain:
            return plain[path]
        if path == "user-data" and machine.user_data:
            return base64.b64decode(str(machine.user_data)).decode()
        if path == "meta-data/spot/instance-action":
            return self._notice(machine)
        if path == "meta-data/autoscaling/target-lifecycle-state":
            return _target(machine)
        if path.startswith("meta-data/iam/security-credentials/"):
            return self._credential(machine, path.rpartition("/")[2])
        identity = self._identity(machine)
        return dict(zip(_SIGNED, identity, strict=True)).get(path)

    def _identity(self, machine: Any) -> tuple[str, str, str]:
        if machine.id not in self.server.documents:
            document = _document(machine)
            signed = self.server.authority.signature(document)
            self.server.documents[machine.id] = (
                document, self.server.authority.pkcs7(document), signed,
            )  # fmt: skip
        document, pkcs7, signature = self.server.documents[machine.id]
        return document.decode(), pkcs7, signature

    def _notice(self, machine: Any) -> str | None:
        at = self.server.wishes.taken_back().get(machine.id)
        if at is None:
            return None
        return json.dumps({"action": "terminate", "time": _time(at)})

    def _credential(self, machine: Any, role: str) -> str | None:
        """What the role of the machine's profile is given, or the role's name."""
        backend = machine.ec2_backend
        held = backend.iam_instance_profile_associations.get(machine.id)
        roles = list(held.iam_instance_profile.roles) if held else []
        if not roles:
            return None
        if not role:
            return str(roles[0].name)
        if role != roles[0].name:
            return None
        given = self.server.roles.setdefault(
            role,
            {
                "AccessKeyId": f"ASIA{secrets.token_hex(8).upper()}",
                "SecretAccessKey": secrets.token_urlsafe(30),
                "Token": secrets.token_urlsafe(90),
            },
        )
        now = time.time()
        return _written(
            {
                "Code": "Success",
                "LastUpdated": _time(now),
                "Type": "AWS-HMAC",
                **given,
                "Expiration": _time(now + _ROLE_HOURS * 3600),
            }
        )


_SIGNED = (
    "dynamic/instance-identity/document",
    "dynamic/instance-identity/rsa2048",
    "dynamic/instance-identity/signature",
)


def _document(machine: Any) -> bytes:
    said = {
        "accountId": ACCOUNT,
        "architecture": machine.architecture,
        "availabilityZone": machine.availability_zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": machine.image_id,
        "instanceId": machine.id,
        "instanceType": machine.instance_type,
        "kernelId": None,
        "pendingTime": machine.launch_time.strftime(_FORM),
        "privateIp": machine.private_ip,
        "ramdiskId": None,
        "region": REGION,
        "version": "2017-09-30",
    }
    return _written(said).encode()


def _target(machine: Any) -> str | None:
    group = getattr(machine, "autoscaling_group", None)
    for member in group.instance_states if group else ():
        if member.instance is machine:
            return "Terminated" if member.lifecycle_state.startswith("Term") else "InService"
    return None


def _written(said: dict[str, Any]) -> str:
    """JSON as EC2 writes it."""
    return json.dumps(said, indent=2, separators=(",", " : "))


def _time(at: float) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=at)).strftime(_FORM)
