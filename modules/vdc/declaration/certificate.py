"""How certificates are written whose keys sign what machines say of themselves."""

from __future__ import annotations

from typing import Annotated

from vdc.declaration.fields import Written
from vdc.declaration.forms import Form, UnfitError

_EXAMPLE = """\
-----BEGIN CERTIFICATE-----
MIIBmDCCAQGgAwIBAgIBATANBgkqhkiG9w0BAQsFADASMRAwDgYDVQQDDAdleGFt
cGxlMB4XDTI2MDEwMTAwMDAwMFoXDTQ5MDEwMTAwMDAwMFowEjEQMA4GA1UEAwwH
ZXhhbXBsZTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEAtC1xVDU+ezjw+dzF
9mThoqWSVCmNldk2r3nboCKbDwzC7M/GzxAEN7b8sZckhtpwd/c6u5s27sQ/LW7b
KG6usxNC5t7ujh4CUNuRb9V1OEzwYAtpmVCm8H9GjywYlr+EMSHown1aZ3M/+Qp/
XxAutJEAIg59MC11JjEsh3JwdQ0CAwEAATANBgkqhkiG9w0BAQsFAAOBgQAhkbjj
RUyBQuXVqIJwC87KXjZuQbGTNlt48FqdcdzlJSX+D41hyjpDpN351J0DOgl92K7j
k4+wS7yl4oK9LEyA89spMcg+dmxkCLO8JbPL0OdOzVYgw362sXJpf69jxfH9qREY
3HLNLdTupDnm9MkyoZ2cwRXETijIGD27kL+39Q==
-----END CERTIFICATE-----
"""


def _read(text: str) -> str:
    """One certificate of an RSA key, whole."""
    # Only a declaration with certificates has to wait for what reads them.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    if not isinstance(load_pem_x509_certificate(text.encode()).public_key(), RSAPublicKey):
        raise UnfitError(
            "is the certificate of a key that is none of RSA", "take the one for RSA-2048"
        )
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
