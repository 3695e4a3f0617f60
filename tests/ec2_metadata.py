"""What EC2 tells its machines, and with which key it signs: as it does, with a key of our own."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from cryptography.x509.oid import NameOID

ACCOUNT = "123456789012"
REGION = "eu-central-1"
MACHINE = "i-0123456789abcdef0"

_AS_EC2 = [PKCS7Options.Binary, PKCS7Options.NoCerts, PKCS7Options.NoCapabilities]


def document(
    machine: str = MACHINE,
    *,
    account: str = ACCOUNT,
    region: str = REGION,
    pending: datetime | None = None,
) -> str:
    """An instance identity document, laid out as EC2 does."""
    started = (pending or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {
        "accountId": account,
        "architecture": "x86_64",
        "availabilityZone": f"{region}a",
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": "ami-0123456789abcdef0",
        "instanceId": machine,
        "instanceType": "m6i.large",
        "kernelId": None,
        "pendingTime": started,
        "privateIp": "10.70.0.9",
        "ramdiskId": None,
        "region": region,
        "version": "2017-09-30",
    }
    return json.dumps(said, indent=2, separators=(",", " : "))


class Signer:
    """A region's key, and the certificate that is published for it."""

    def __init__(self, bits: int = 2048) -> None:
        self.key = rsa.generate_private_key(65537, bits)
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "A cloud")])
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=3650))
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """What a declaration names."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def der(self, text: str, options: list[PKCS7Options] | None = None) -> bytes:
        """The PKCS #7 message, in DER."""
        builder = PKCS7SignatureBuilder().set_data(text.encode())
        builder = builder.add_signer(self.certificate, self.key, hashes.SHA256())
        return builder.sign(Encoding.DER, _AS_EC2 if options is None else options)

    def rsa2048(self, text: str) -> str:
        """What lies at ``dynamic/instance-identity/rsa2048``: BER of indefinite lengths."""
        return base64.encodebytes(as_ber(self.der(text))).decode().rstrip("\n")


def as_ber(der: bytes) -> bytes:
    """The same message with indefinite lengths, as EC2's library writes it."""
    data = cms.ContentInfo.load(der)["content"]
    text = data["encap_content_info"]["content"].native
    content = b"\x24\x80\x04" + _length(len(text)) + text + b"\0\0"
    inner = b"\x30\x80" + cms.ContentType("data").dump() + b"\xa0\x80" + content + b"\0\0\0\0"
    parts = data["version"].dump() + data["digest_algorithms"].dump() + inner
    signed = b"\x30\x80" + parts + data["signer_infos"].dump() + b"\0\0"
    return b"\x30\x80" + cms.ContentType("signed_data").dump() + b"\xa0\x80" + signed + b"\0\0\0\0"


def _length(count: int) -> bytes:
    if count < 128:
        return bytes([count])
    digits = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(digits)]) + digits


@dataclass
class Metadata:
    """A metadata service of the second version, and what it was asked.

    ``said`` is what lies at each path below ``latest``; the test may change it while it runs.
    ``posted`` are the calls of another API that came to the same address.
    """

    said: dict[str, str] = field(default_factory=dict)
    posted: list[tuple[Mapping[str, str], str]] = field(default_factory=list)
    address: str = ""

    def vouch(self, signer: Signer, text: str) -> None:
        """Says which machine it is."""
        self.said["dynamic/instance-identity/document"] = text
        self.said["dynamic/instance-identity/rsa2048"] = signer.rsa2048(text)


@contextmanager
def metadata() -> Iterator[Metadata]:
    """A service on loopback."""
    service = Metadata()
    tokens: set[str] = set()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            if self.path != "/latest/api/token" or not self.headers.get(
                "X-aws-ec2-metadata-token-ttl-seconds"
            ):
                return self.answer(400)
            tokens.add(token := f"token-{len(tokens)}")
            return self.answer(200, token)

        def do_GET(self) -> None:
            if self.headers.get("X-aws-ec2-metadata-token") not in tokens:
                return self.answer(401)
            text = service.said.get(self.path.removeprefix("/latest/"))
            return self.answer(404) if text is None else self.answer(200, text)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            service.posted.append((dict(self.headers), body))
            self.answer(200)

        def answer(self, status: int, text: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    service.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
