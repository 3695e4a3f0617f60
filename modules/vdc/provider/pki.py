"""The data centre's own certificate authority. Pure but for the random numbers of new keys.

Elliptic-curve keys (P-256) throughout: made in microseconds, accepted by Go's and Python's TLS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFETIME = timedelta(days=3650)
ISSUER_LIFETIME = LEAF_LIFETIME = timedelta(days=365)
NODE_LIFETIME = timedelta(days=30)

NODE_ROLE = "client.global.nomad"
"""The scheduler's name for a work node; agents check it in each other's certificates."""
NODE_DOMAIN = "node.vdc"
"""Under it every node that joined has a name of its own."""

# A clock a little behind ours must not find the certificate "not yet valid".
_BACKDATED = timedelta(minutes=10)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM text."""

    cert: str
    key: str = field(repr=False)


def new_authority(name: str, now: datetime | None = None) -> Pair:
    """A self-signed CA for one data centre, valid for ten years."""
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"vdc CA of {name}")
    # Below it stands one more CA at most: the one that issues nodes' certificates.
    builder = _authority(
        _builder(subject, subject, key.public_key(), now, now + CA_LIFETIME), key.public_key(), 1
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def new_issuer(authority: Pair, name: str, now: datetime | None = None) -> Pair:
    """A CA under the data centre's that can name work nodes and nothing else, for a year.

    Its name constraints forbid every other DNS name and all addresses, so that who steals its
    key can pass for no server and no pool service towards anybody who checks the name.
    """
    now = now or datetime.now(UTC)
    signer = Signer.of(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"vdc node CA of {name}")
    expires = min(now + ISSUER_LIFETIME, signer.expires)
    builder = (
        _authority(
            _builder(subject, signer.cert.subject, key.public_key(), now, expires),
            key.public_key(),
            0,
        )
        .add_extension(_ONLY_NODES, critical=True)
        .add_extension(signer.identifier, critical=False)
    )
    return _pair(builder.sign(signer.key, hashes.SHA256()), key)


def issue(
    authority: Pair,
    common_name: str,
    names: Sequence[str],
    *,
    server: bool,
    now: datetime | None = None,
) -> Pair:
    """A leaf for the given names, valid for a year.

    Args:
        authority: Who signs.
        common_name: The subject's common name.
        names: DNS names and IP addresses that the certificate is good for.
        server: Whether it may serve; every leaf may be a client.
        now: The time of issue, for tests.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    now = now or datetime.now(UTC)
    usages = _BOTH if server else _BOTH[:1]
    signer = Signer.of(authority)
    cert = signer.sign(key.public_key(), common_name, names, usages, now, LEAF_LIFETIME)
    return _pair(cert, key)


def certify_node(
    issuer: Signer, key: ec.EllipticCurvePublicKey, node: str, now: datetime
) -> x509.Certificate:
    """A node's certificate for a key that only the node has, valid for 30 days.

    Which names are in it follows from the node's name alone; whatever else the node may have
    asked for is not looked at.
    """
    names = (NODE_ROLE, f"{node}.{NODE_DOMAIN}")
    return issuer.sign(key, node, names, _BOTH, now, NODE_LIFETIME)


def due_for_renewal(cert: str, now: datetime | None = None) -> bool:
    """Whether two thirds of a certificate's life have passed."""
    parsed = x509.load_pem_x509_certificate(cert.encode())
    life = parsed.not_valid_after_utc - parsed.not_valid_before_utc
    return (now or datetime.now(UTC)) > parsed.not_valid_before_utc + life * 2 / 3


def names_in(cert: str) -> frozenset[str]:
    """The names and addresses that a certificate is good for; none for a CA's own."""
    extensions = x509.load_pem_x509_certificate(cert.encode()).extensions
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(str(name.value) for name in names)


_BOTH = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)

_ONLY_NODES = x509.NameConstraints(
    permitted_subtrees=[x509.DNSName(NODE_ROLE), x509.DNSName(NODE_DOMAIN)],
    # Addresses would be free if only DNS names were constrained.
    excluded_subtrees=[
        x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
        x509.IPAddress(ipaddress.ip_network("::/0")),
    ],
)


@dataclass(frozen=True)
class Signer:
    """A CA's certificate and key, ready for use."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def of(cls, authority: Pair) -> Signer:
        """Reads a pair.

        Raises:
            ValueError: It is no PEM, or the key is not the certificate's elliptic-curve key.
        """
        cert = x509.load_pem_x509_certificate(authority.cert.encode())
        key = serialization.load_pem_private_key(authority.key.encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or cert.public_key() != key.public_key():
            raise ValueError("the authority's key is not that of its certificate")
        return cls(cert, key)

    @property
    def expires(self) -> datetime:
        """When its own certificate ends, and with it all that it has signed."""
        return self.cert.not_valid_after_utc

    @property
    def identifier(self) -> x509.AuthorityKeyIdentifier:
        """How what it signs names it."""
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())

    def sign(
        self,
        key: ec.EllipticCurvePublicKey,
        common_name: str,
        names: Sequence[str],
        usages: Sequence[x509.ObjectIdentifier],
        now: datetime,
        lifetime: timedelta,
    ) -> x509.Certificate:
        """A leaf for somebody's public key; it never outlives its signer."""
        expires = min(now + lifetime, self.expires)
        return (
            _builder(_subject(common_name), self.cert.subject, key, now, expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName([_name(n) for n in names]), critical=False)
            .add_extension(self.identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _authority(
    builder: x509.CertificateBuilder, key: ec.EllipticCurvePublicKey, path_length: int
) -> x509.CertificateBuilder:
    return (
        builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    expires: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(expires)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pair(cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        cert.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )
