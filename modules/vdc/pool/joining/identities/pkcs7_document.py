"""EC2's instance identity document, with the RSA-2048 signature that is PKCS #7. Pure.

The signature holds the document itself, but no certificate: that one the declaration names, as it
is published for the region. EC2 writes BER with indefinite lengths, which ``cryptography`` does not
read; ``asn1crypto`` does.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from asn1crypto import cms
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from vdc.pool.joining.identities import Evidence, Machine, NotVouchedForError
from vdc.provider.enrolment import Identity

_MACHINE = re.compile(r"i-[0-9a-f]{8,17}")
_WEAKEST_BITS = 2048
_SIGNED_BY_RSA = {"rsassa_pkcs1v15", "sha256_rsa"}


def verify(identity: Identity, evidence: Evidence) -> Machine:
    """The machine that the document names.

    Raises:
        NotVouchedForError: The signature is not the region's, or not of this document, or the
            machine is of another account or region.
    """
    document = evidence.document.encode()
    if not hmac.compare_digest(_signed(evidence.signature, identity.certificate), document):
        raise NotVouchedForError("tampered", "the document is not the one that was signed")
    return _machine(document, identity)


def _signed(signature: str, certificate: str) -> bytes:
    """What was signed with the certificate's key."""
    key = _key(certificate)
    try:
        der = base64.b64decode("".join(signature.split()), validate=True)
        content, signed, digest, value = _parts(der)
    except Exception as error:  # the library raises many kinds for what strangers send
        raise NotVouchedForError("malformed", "signature: it is no PKCS #7 signature") from error
    if not hmac.compare_digest(sha256(content).digest(), digest):
        raise NotVouchedForError("tampered", "the document is not the one that was signed")
    try:
        key.verify(value, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise NotVouchedForError(
            "unsigned", "the signature is not by the key of the declared certificate"
        ) from None
    return content


def _parts(der: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Content, signed bytes, the content's digest that is among these, and the signature.

    Raises:
        Exception: It is not one signature by RSA over signed attributes,
            with SHA-256, over content of the plain kind.
    """
    info: Any = cms.ContentInfo.load(der, strict=True)
    data = info["content"]
    (signer,) = data["signer_infos"]
    attributes = {attr["type"].native: attr["values"] for attr in signer["signed_attrs"]}
    (kind,), (digest,) = attributes["content_type"], attributes["message_digest"]
    plain = info["content_type"].native == "signed_data" and len(attributes) == len(
        signer["signed_attrs"]
    )
    inner = data["encap_content_info"]
    kinds = {kind.native, inner["content_type"].native}
    how = signer["signature_algorithm"]["algorithm"].native
    if not plain or kinds != {"data"} or how not in _SIGNED_BY_RSA:
        raise ValueError("another kind of message")
    if signer["digest_algorithm"]["algorithm"].native != "sha256":
        raise ValueError("another digest")
    # What is signed is the DER of the set, under its own tag and not under the message's.
    signed = signer["signed_attrs"].untag().dump(force=True)
    content = inner["content"].native
    if not isinstance(content, bytes):
        raise ValueError("no content")
    return content, signed, digest.native, signer["signature"].native


def _key(certificate: str) -> rsa.RSAPublicKey:
    try:
        key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    except ValueError as error:
        raise NotVouchedForError("certificate", "the declared certificate is none") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _WEAKEST_BITS:
        raise NotVouchedForError(
            "certificate", f"the declared certificate's key is not RSA of {_WEAKEST_BITS} bits"
        )
    return key


def _machine(document: bytes, identity: Identity) -> Machine:
    try:
        said = json.loads(document)
        account, region, machine = (str(said[key]) for key in ("accountId", "region", "instanceId"))
        started = datetime.strptime(said["pendingTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (ValueError, TypeError, KeyError) as error:
        raise NotVouchedForError("malformed", "the document does not say what it has to") from error
    if account != identity.account:
        raise NotVouchedForError("account", "the machine is of another account")
    if region != identity.region:
        raise NotVouchedForError("region", "the machine is in another region")
    if not _MACHINE.fullmatch(machine):
        raise NotVouchedForError("malformed", "the document names no machine")
    return Machine(machine, started)
