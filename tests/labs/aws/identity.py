"""The lab's authority: it vouches for instances as EC2 does, and for names of AWS to them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from labs.aws.settings import REGION
from labs.processes import output


@dataclass(frozen=True)
class Authority:
    """Keys in a folder.

    Attributes:
        folder: ``identity.pem`` is the certificate that a declaration names; ``ca.pem`` the one
            that the machine image trusts; ``server.pem`` what the API shows over TLS.
    """

    folder: Path

    def make(self) -> None:
        """New keys."""
        self.folder.mkdir()
        for name, title, names in (
            ("identity", "EC2 of a lab", ()),
            ("server", "AWS of a lab", (f"*.{REGION}.amazonaws.com", "*.amazonaws.com")),
        ):
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            (self.folder / f"{name}.key").write_bytes(private)
            certificate = _certificate(key, title, names).public_bytes(Encoding.PEM)
            (self.folder / f"{name}.pem").write_bytes(certificate)

    @property
    def certificate(self) -> str:
        """PEM of what signs identities."""
        return (self.folder / "identity.pem").read_text()

    def trust(self) -> dict[str, str]:
        """Files of a machine image that trusts the lab's API; see :func:`labs.images.variant`."""
        server = self.folder / "server.pem"
        words = ("openssl", "x509", "-in", str(server), "-noout", "-subject_hash")
        return {f"/etc/ssl/certs/{output(words).strip()}.0": server.read_text()}

    def signature(self, document: bytes) -> str:
        """Base64 of the plain signature, as at ``signature``."""
        key = load_pem_private_key((self.folder / "identity.key").read_bytes(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        signed = key.sign(document, padding.PKCS1v15(), hashes.SHA256())
        return base64.encodebytes(signed).decode()

    def pkcs7(self, document: bytes) -> str:
        """Base64 of the document and its signature, as at ``rsa2048``: BER, no certificate."""
        file = self.folder / "document"
        file.write_bytes(document)
        message = self.folder / "message"
        output(
            (
                *("openssl", "smime", "-sign", "-nodetach", "-nocerts", "-binary", "-stream"),
                *("-md", "sha256", "-outform", "der", "-in", str(file), "-out", str(message)),
                *("-signer", str(self.folder / "identity.pem")),
                *("-inkey", str(self.folder / "identity.key")),
            )
        )
        return base64.encodebytes(message.read_bytes()).decode()


def _certificate(key: rsa.RSAPrivateKey, title: str, names: tuple[str, ...]) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, title)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
    )
    if names:
        known = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        made = made.add_extension(known, critical=False)
    return made.sign(key, hashes.SHA256())
