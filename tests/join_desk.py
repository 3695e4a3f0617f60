"""A desk that takes nodes in, over a scheduler in memory, and what nodes send it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from vdc.errors import SchedulerError
from vdc.pool.config import JoinFiles
from vdc.pool.joining import verdict
from vdc.pool.joining.desk import Credentials, Desk, RefusedError
from vdc.provider import pki
from vdc.provider.admission import Admissions, admit, revoke

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SOURCE = "192.0.2.7"
ROOT = pki.new_authority("a", NOW)
ISSUER = pki.new_issuer(ROOT, "a", NOW)


@dataclass
class Scheduler:
    """Variables with check-and-set, nodes and introductions, in memory.

    ``states`` are the states of the nodes of each name; all are of one group.
    """

    variables: dict[str, tuple[dict[str, str], int]] = field(default_factory=dict)
    states: dict[str, list[str]] = field(default_factory=dict)
    away: bool = False
    index: int = 0
    conflicts: int = 0
    meeting: asyncio.Barrier | None = None
    meet: int = 0

    async def json(self, method, path, *, params=None, body=None, **_):
        await asyncio.sleep(0)  # as every call, it lets others go first
        if self.away:
            raise SchedulerError("no answer", 0)
        if path == "/v1/nodes":
            known = self.states.items()
            return [{"Name": name, "Status": state} for name, states in known for state in states]
        if path == "/v1/vars":
            return [{"Path": key} for key in self.variables if key.startswith(params["prefix"])]
        key = path.removeprefix("/v1/var/")
        items, index = self.variables.get(key, ({}, 0))
        if method == "GET":
            if self.meet:
                self.meet -= 1
                await self.meeting.wait()
            if not index:
                raise SchedulerError("variable not found", 404)
            return {"Items": items, "ModifyIndex": index}
        if int(params["cas"]) != index:
            self.conflicts += 1
            raise SchedulerError("cas conflict", 409)
        self.index += 1
        self.variables[key] = (body["Items"], self.index)
        return {"ModifyIndex": self.index}

    async def call(self, _method, path):
        self.variables.pop(path.removeprefix("/v1/var/"), None)

    async def node_states(self, name):
        return self.states.get(name, [])

    async def introduction(self, name, _ttl_s):
        return f"introduction-of-{name}"


class Place:
    """A desk with a clock that the test turns."""

    def __init__(self, folder: Path, scheduler: Scheduler | None = None) -> None:
        self.scheduler = scheduler or Scheduler()
        self.now = NOW
        audit = folder / "audit.jsonl"
        files = JoinFiles(folder / "join-cert.pem", folder / "join-key.pem", folder, audit)
        files.cert_file.write_text(ISSUER.cert)
        files.key_file.write_text(ISSUER.key)
        self.desk = Desk(files, ROOT.cert, self.scheduler, lambda: self.now)
        self.audit_file = files.audit_file

    def act(self, work: Callable[[], Awaitable[object]]) -> object:
        async def run() -> object:
            return await work()

        return asyncio.run(run())

    def admit(self, name: str) -> str:
        return self.act(lambda: admit(self.scheduler, name, "here", "workers"))

    def revoke(self, name: str) -> None:
        self.act(lambda: revoke(self.scheduler, name))

    def record(self, name: str):
        return self.act(lambda: Admissions(self.scheduler).get(name))[0]

    def join(self, name: str, secret: str, key=None, source: str = SOURCE) -> Credentials:
        return self.act(lambda: self.desk.join(name, secret, csr(key or fresh()), source))

    def renew(self, name, key, chain, proof_of=None, csr_of=None) -> Credentials:
        text = csr(csr_of or key)
        return self.act(
            lambda: self.desk.renew(name, text, chain, proof(proof_of or key, text), SOURCE)
        )

    @property
    def audit(self) -> list[tuple[str, str, str]]:
        entries = [json.loads(line) for line in self.audit_file.read_text().splitlines()]
        return [(entry["event"], entry["node"], entry.get("reason", "")) for entry in entries]


def fresh() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def csr(key, names: Sequence[str] = (), *, ca: bool = False) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0] if names else "n")])
    )
    if names:
        alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternative, critical=False)
    if ca:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def proof(key, text: str) -> str:
    return base64.b64encode(key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))).decode()


def refused(work: Callable[[], object]) -> verdict.Refusal:
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.refusal


def leaf(made: Credentials) -> x509.Certificate:
    return x509.load_pem_x509_certificates(made.chain.encode())[0]
