"""What a node sends: a key that it wants certified, and proof of who it is. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class MalformedError(ValueError):
    """What was sent cannot be read; the text says which part and what is wrong with it."""


@dataclass(frozen=True)
class Joining:
    """A first joining: the secret, and the key to certify."""

    secret: str = field(repr=False)
    key: ec.EllipticCurvePublicKey


@dataclass(frozen=True)
class Renewal:
    """A renewal by the holder of a certificate.

    Attributes:
        key: The key to certify, the old one or a new one.
        serial: Of the certificate that was sent, hexadecimal.
        holder: The node name in it.
        ours: Whether the data centre's CA stands behind it. When it ends does not matter.
        proven: Whether the sender has its key.
    """

    key: ec.EllipticCurvePublicKey
    serial: str
    holder: str
    ours: bool
    proven: bool


def read_joining(secret: str, csr: str) -> Joining:
    """Reads the fields of a joining.

    Raises:
        MalformedError: One of them is missing or is not what it should be.
    """
    if not secret.strip():
        raise MalformedError("secret: nothing was sent")
    return Joining(secret.strip(), requested_key(csr))


def read_renewal(csr: str, chain: str, proof: str, root: x509.Certificate) -> Renewal:
    """Reads the fields of a renewal.

    Args:
        csr: PEM.
        chain: PEM of the node's certificate and of the one that signed it.
        proof: Base64 of a signature over the text of ``csr``, by the certificate's key.
        root: The data centre's CA.

    Raises:
        MalformedError: One of them is missing or is not what it should be.
    """
    key = requested_key(csr)
    try:
        leaf, issuer = x509.load_pem_x509_certificates(chain.encode())
        holder = leaf.public_key()
        names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except Exception as error:  # the library raises many kinds for what strangers send
        raise MalformedError("cert: it is not a chain of two certificates in PEM") from error
    if not isinstance(holder, ec.EllipticCurvePublicKey):
        raise MalformedError("cert: its key is not an elliptic-curve key")
    return Renewal(
        key=key,
        serial=serial_text(leaf),
        holder=str(names[0].value) if names else "",
        ours=_issued(issuer, root) and _signs(issuer) and _issued(leaf, issuer),
        proven=_proven(holder, csr, proof),
    )


def check_name(name: str) -> None:
    """Passes what can be a node's name.

    Raises:
        MalformedError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise MalformedError("name: a node's name is small letters, digits and hyphens")


def requested_key(csr: str) -> ec.EllipticCurvePublicKey:
    """The key in a certificate request, whose holder made the request.

    The names in the request are not looked at: a node is called what its record says.

    Raises:
        MalformedError: It is no request, not signed by its own key, or its key is not P-256.
    """
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key, signed = request.public_key(), request.is_signature_valid
    except Exception as error:  # the library raises many kinds for what strangers send
        raise MalformedError("csr: it is no certificate request in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError("csr: its key is not of the curve P-256")
    if not signed:
        raise MalformedError("csr: it is not signed by its own key")
    return key


def serial_text(cert: x509.Certificate) -> str:
    """A certificate's serial number as records hold it."""
    return format(cert.serial_number, "x")


def _issued(cert: x509.Certificate, signer: x509.Certificate) -> bool:
    try:
        cert.verify_directly_issued_by(signer)
    except Exception:  # as above
        return False
    return True


def _signs(cert: x509.Certificate) -> bool:
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except Exception:  # as above
        return False


def _proven(key: ec.EllipticCurvePublicKey, csr: str, proof: str) -> bool:
    try:
        signature = base64.b64decode("".join(proof.split()), validate=True)
        key.verify(signature, csr.encode(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error):
        return False
    return True
