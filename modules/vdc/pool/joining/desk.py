"""Takes nodes in: asks the scheduler, keeps the record, signs, and writes the audit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from vdc.errors import StackError
from vdc.pool.config import JoinFiles
from vdc.pool.joining.audit import Audit
from vdc.pool.joining.patience import WAIT_S, Patience
from vdc.pool.joining.petition import (
    MalformedError,
    check_name,
    read_joining,
    read_renewal,
    serial_text,
)
from vdc.pool.joining.verdict import Refusal, on_joining, on_renewal
from vdc.provider.admission import Admission, Admissions
from vdc.provider.pki import Pair, Signer, certify_node
from vdc.scheduler.client import Nomad
from vdc.scheduler.variables import ConflictError

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
        self._audit = Audit(files.audit_file)
        self._patience = Patience()

    async def join(self, name: str, secret: str, csr: str, source: str) -> Credentials:
        """Takes a node in for the first time; its secret is worth nothing afterwards.

        Raises:
            RefusedError: It may not join; the reason is in the audit.
            SchedulerError: The scheduler does not answer; nothing has changed.
        """

        async def attempt() -> Credentials:
            joining = read_joining(secret, csr)
            admission, index = await self._admissions.get(name)
            if refusal := on_joining(admission, joining, live=await self._live(name)):
                raise RefusedError(refusal)
            joined = self._clock().isoformat(timespec="seconds")
            used = replace(_there(admission), state="used", joined=joined, asked="")
            return await self._grant(name, joining.key, used, index, introduce=True)

        return await self._answer("joined", name, source, attempt)

    async def renew(self, name: str, csr: str, chain: str, proof: str, source: str) -> Credentials:
        """Gives a node that has joined its next certificate, even when its last has ended.

        One that the scheduler does not know, or thinks gone, is introduced again.

        Raises:
            RefusedError: It may not have one; the reason is in the audit.
            SchedulerError: The scheduler does not answer; nothing has changed.
        """

        async def attempt() -> Credentials:
            renewal = read_renewal(csr, chain, proof, self._root)
            admission, index = await self._admissions.get(name)
            if refusal := on_renewal(admission, name, renewal):
                raise RefusedError(refusal)
            asked = replace(_there(admission), asked=renewal.serial)
            introduce = not await self._live(name)
            return await self._grant(name, renewal.key, asked, index, introduce=introduce)

        return await self._answer("renewed", name, source, attempt)

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

    async def _answer(
        self, event: str, name: str, source: str, attempt: Callable[[], Awaitable[Credentials]]
    ) -> Credentials:
        """Lets nobody ask too often, and leaves a line in the audit whatever the answer is."""
        if not await self._patience.hears(source):
            raise RefusedError(TOO_MANY)
        while True:
            try:
                check_name(name)
                made = await attempt()
            except ConflictError:
                continue  # the record was changed meanwhile: judge by what it says now
            except MalformedError as error:
                refusal = Refusal("malformed", 400, str(error))
            except RefusedError as error:
                refusal = error.refusal
            else:
                introduced = "again" if event == "renewed" and made.introduction else ""
                more = {"serial": made.serial, "introduced": introduced}
                await self._audit.write(self._clock(), event, name, source, **more)
                return made
            await self._patience.count(source)
            await self._audit.write(self._clock(), "refused", name, source, reason=refusal.reason)
            raise RefusedError(refusal)


def _there(admission: Admission | None) -> Admission:
    """An admission that the verdict has found to be there."""
    if admission is None:
        raise LookupError("a node was taken in without a record")
    return admission
