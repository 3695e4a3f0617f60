"""Takes nodes in: asks the scheduler, keeps the record, signs, and writes the audit."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from vdc.errors import StackError
from vdc.pool.config import JoinFiles
from vdc.pool.joining.audit import Audit
from vdc.pool.joining.identities import Evidence, Machine, NotVouchedForError, verify
from vdc.pool.joining.patience import WAIT_S, Patience
from vdc.pool.joining.petition import (
    Joining,
    MalformedError,
    check_name,
    read_joining,
    read_renewal,
    serial_text,
)
from vdc.pool.joining.verdict import (
    Refusal,
    on_group,
    on_joining,
    on_machine,
    on_renewal,
    unseen,
)
from vdc.provider.admission import Admission, Admissions
from vdc.provider.enrolment import GroupAdmissions
from vdc.provider.pki import Pair, Signer, certify_node
from vdc.scheduler.client import Nomad
from vdc.scheduler.names import names
from vdc.scheduler.variables import ConflictError

T = TypeVar("T")

# The node's agent starts right after; the token must also outlast a slow start.
_INTRODUCTION_S = 300

TOO_MANY = Refusal("limited", 429, "refused too often; wait a minute", WAIT_S)


@dataclass(frozen=True)
class Credentials:
    """What a node is given.

    Attributes:
        serial: Of the certificate, hexadecimal.
        chain: PEM of its certificate and of the CA that signed it.
        introduction: With which it may register; empty for a node that the scheduler knows.
    """

    serial: str
    chain: str
    introduction: str = field(repr=False, default="")

    @property
    def text(self) -> str:
        """The answer."""
        if not self.introduction:
            return self.chain
        return (
            f"{self.chain}-----BEGIN VDC INTRODUCTION-----\n{self.introduction}\n"
            "-----END VDC INTRODUCTION-----\n"
        )


class RefusedError(Exception):
    """A node is not taken in."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.line)
        self.refusal = refusal


class Desk:
    """Where nodes ask to be taken in.

    Args:
        files: The CA that signs for nodes; where the audit goes.
        root: PEM of the data centre's CA.
        nomad: A connection with the service's token.
        clock: The time, for tests.

    Raises:
        StackError: The CA's files cannot be used.
    """

    def __init__(
        self,
        files: JoinFiles,
        root: str,
        nomad: Nomad,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        try:
            pair = Pair(files.cert_file.read_text(), files.key_file.read_text())
            self._signer = Signer.of(pair)
            self._root = x509.load_pem_x509_certificate(root.encode())
        except (OSError, ValueError) as error:
            raise StackError(f"the CA for nodes cannot be used: {error}; run `vdc up`") from error
        self._issuer = pair.cert
        self._nomad = nomad
        self._clock = clock
        self._admissions = Admissions(nomad)
        self._groups = GroupAdmissions(nomad)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._audit = Audit(files.audit_file)
        self._patience = Patience()

    async def join(self, name: str, secret: str, csr: str, source: str) -> Credentials:
        """Takes a node in for the first time; its secret is worth nothing afterwards.

        Raises:
            RefusedError: It may not join; the reason is in the audit.
            SchedulerError: The scheduler does not answer; nothing has changed.
        """

        async def attempt() -> Credentials:
            check_name(name)
            joining = read_joining(secret, csr)
            admission, index = await self._admissions.get(name)
            if refusal := on_joining(admission, joining, live=await self._live(name)):
                raise RefusedError(refusal)
            joined = self._clock().isoformat(timespec="seconds")
            used = replace(_there(admission), state="used", joined=joined, asked="")
            return await self._grant(name, joining.key, used, index, introduce=True)

        made = await self._judged(name, source, attempt)
        return await self._noted("joined", name, source, made)

    async def join_group(
        self, site: str, group: str, secret: str, csr: str, evidence: Evidence, source: str
    ) -> Credentials:
        """Takes in a machine for which its cloud vouches, once.

        It becomes the node that its group's prefix and its identifier at the cloud name.

        Raises:
            RefusedError: It may not join; the reason is in the audit.
            SchedulerError: The scheduler does not answer; the machine may ask again.
        """

        async def recognise() -> tuple[Joining, Machine, str]:
            check_name(site)
            check_name(group)
            joining = read_joining(secret, csr)
            admission, _ = await self._groups.get(site, group)
            if refusal := on_group(admission, joining):
                raise RefusedError(refusal)
            declared = _there(admission)
            machine = verify(declared.identity, evidence)
            return joining, machine, declared.name(machine.id)

        joining, machine, name = await self._judged(f"{site}/{group}", source, recognise)

        async def attempt() -> Credentials:
            check_name(name)
            # One after the other, or each would find that another has changed the record.
            async with self._turns[f"{site}/{group}"]:
                await self._claim(site, group, machine)
            joined = self._clock().isoformat(timespec="seconds")
            taken = Admission("", site, group, "used", joined=joined)
            return await self._grant(name, joining.key, taken, 0, introduce=True)

        made = await self._judged(name, source, attempt)
        return await self._noted("joined", name, source, made)

    async def _claim(self, site: str, group: str, machine: Machine) -> None:
        """Takes one of the group's places, whoever else takes one in the same moment."""
        admission, index = await self._groups.get(site, group)
        record = _there(admission)
        name = record.name(machine.id)
        known, _ = await self._admissions.get(name)
        seen = await names(self._nomad, site, group)
        now = self._clock()
        if refusal := on_machine(record, machine, known, seen, now):
            raise RefusedError(refusal)
        still = {name: record.claims[name] for name in unseen(record, seen, now)}
        claims = {**still, name: int(now.timestamp())}
        await self._groups.put(replace(record, claims=claims), index)

    async def renew(self, name: str, csr: str, chain: str, proof: str, source: str) -> Credentials:
        """Gives a node that has joined its next certificate, even when its last has ended.

        One that the scheduler does not know, or thinks gone, is introduced again.

        Raises:
            RefusedError: It may not have one; the reason is in the audit.
            SchedulerError: The scheduler does not answer; nothing has changed.
        """

        async def attempt() -> Credentials:
            check_name(name)
            renewal = read_renewal(csr, chain, proof, self._root)
            admission, index = await self._admissions.get(name)
            if refusal := on_renewal(admission, name, renewal):
                raise RefusedError(refusal)
            asked = replace(_there(admission), asked=renewal.serial)
            introduce = not await self._live(name)
            return await self._grant(name, renewal.key, asked, index, introduce=introduce)

        made = await self._judged(name, source, attempt)
        return await self._noted("renewed", name, source, made)

    async def _live(self, name: str) -> bool:
        return any(state != "down" for state in await self._nomad.node_states(name))

    async def _grant(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        admission: Admission,
        index: int,
        *,
        introduce: bool,
    ) -> Credentials:
        """Makes everything first and writes the record last, so that a failure costs no secret."""
        introduction = await self._nomad.introduction(name, _INTRODUCTION_S) if introduce else ""
        cert = certify_node(self._signer, key, name, self._clock())
        serial = serial_text(cert)
        await self._admissions.put(name, replace(admission, serial=serial), index)
        leaf = cert.public_bytes(Encoding.PEM).decode()
        return Credentials(serial, leaf + self._issuer, introduction)

    async def _judged(self, who: str, source: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Lets nobody ask too often, and leaves a line in the audit for each refusal."""
        if not await self._patience.hears(source):
            raise RefusedError(TOO_MANY)
        while True:
            try:
                return await attempt()
            except ConflictError:
                continue  # the record was changed meanwhile: judge by what it says now
            except MalformedError as error:
                refusal = Refusal("malformed", 400, str(error))
            except NotVouchedForError as error:
                refusal = Refusal(error.reason, 403, str(error))
            except RefusedError as error:
                refusal = error.refusal
            await self._patience.count(source)
            await self._audit.write(self._clock(), "refused", who, source, reason=refusal.reason)
            raise RefusedError(refusal)

    async def _noted(self, event: str, name: str, source: str, made: Credentials) -> Credentials:
        introduced = "again" if event == "renewed" and made.introduction else ""
        more = {"serial": made.serial, "introduced": introduced}
        await self._audit.write(self._clock(), event, name, source, **more)
        return made


def _there(record: T | None) -> T:
    """A record that the verdict has found to be there."""
    if record is None:
        raise LookupError("a node was taken in without a record")
    return record
