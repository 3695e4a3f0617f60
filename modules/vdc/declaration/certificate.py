"""How certificates are written whose keys sign what machines say of themselves."""

from __future__ import annotations

from typing import Annotated

from vdc.declaration.fields import Written
from vdc.declaration.forms import Form, UnfitError

_EXAMPLE = """\
-----BEGIN CERTIFICATE-----
MIIDBTCCAe2gAwIBAgIUCtQrGw2unTfukjGOF55KIJEE/AwwDQYJKoZIhvcNAQEL
BQAwEjEQMA4GA1UEAwwHZXhhbXBsZTAeFw0yNjExMjIxODU1MThaFw00OTExMjEx
ODU1MThaMBIxEDAOBgNVBAMMB2V4YW1wbGUwggEiMA0GCSqGSIb3DQEBAQUAA4IB
DwAwggEKAoIBAQDQAb61srsxvRcxeEaCjzCQgDX4tD2R1KnW96V/vxoBU0jV3ctW
4S4t46mxU8rNZRA/is+0ckfqZyEL/F61a2YknS9yuiQf8XnxQeKGBZfAc9oQs53y
kA4GHM4ZW1Wo6Vce3hGHIm7cN9aVpl/2lp/yv3EVOWWdKgfh0OzUIy8m2UNeuzDi
KOJevZ2Awx3ZLysGj1E/K4R5T8KUIqkCbGzPqObdPKsP9RJspR8dTJ9VXDvMytg+
OJbJsA27PjGF5AUCzum03O/z26wnGjEMKUqgaJZx2lwj+N3CRmacV2IWfEvPl1//
6+9tDM8IfghhSeJ57ZM7QzseKmd+fzmaeP0hAgMBAAGjUzBRMB0GA1UdDgQWBBQ0
X+ngKdk8whiW6kVN1fYKs6pvCDAfBgNVHSMEGDAWgBQ0X+ngKdk8whiW6kVN1fYK
s6pvCDAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQADagRvPyUV
u6TqY6qcKCX4NeZUHk6wnabcVOs2WdoSRk/jpoFUs8bzvFrtrnr4sLMbF539OLPD
StvlYdrVXBTRcA8xCuORiBMFCpoevrRP/IRv6Ct4G85mZLxTegQ1VDOPAyu7ga/g
QSiAXW2fYZqpcTAFWPQvKfR52U9RQmj44OHad1SnkcQ1YBkC+rUdjZJ7JIwaJFFb
uDvkaw0c7I53vPYAmqwWexM2m5WwvWy8Jy9q83bC4qesOhrxg6ElmeGWG3XKQr6n
srEkMf7v7MjV+1+AJDGpJPxsKdrY8cIFDnoXWLXVQgVIpzsb4aQnDu3VMtrKtpO+
beuHX+/oo1yb
-----END CERTIFICATE-----
"""

_LEAST_BITS = 2048
_REMEDY = "take the one for RSA-2048"


def _read(text: str) -> str:
    """One certificate of an RSA key, whole."""
    # Only a declaration with certificates has to wait for what reads them.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    key = load_pem_x509_certificate(text.encode()).public_key()
    if not isinstance(key, RSAPublicKey):
        raise UnfitError("is the certificate of a key that is none of RSA", _REMEDY)
    if key.key_size < _LEAST_BITS:
        raise UnfitError(f"is the certificate of a key of {key.key_size} bits", _REMEDY)
    return text.strip() + "\n"


def _hint(text: str) -> str:
    if "PRIVATE KEY" in text:
        return "write the certificate and not the key, which is a secret"
    return "copy it whole, from BEGIN CERTIFICATE to END CERTIFICATE, each line indented below a |"


CERTIFICATE = Form(
    name="certificate",
    noun="a certificate",
    rule="it whole, from its line with BEGIN CERTIFICATE to the one with END",
    example=_EXAMPLE,
    pattern=(
        r"^\s*-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\s]+"
        r"-----END CERTIFICATE-----\s*$"
    ),
    value=_read,
    hint=_hint,
)
FORMS = (CERTIFICATE,)

Certificate = Annotated[str, Written(CERTIFICATE)]
