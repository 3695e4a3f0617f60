"""How SSH's public keys are written, of hosts and of people."""

from __future__ import annotations

import re
from typing import Annotated

from vdc.declaration.fields import Written
from vdc.declaration.forms import Form, UnfitError

PATTERN = r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) AAAA[0-9A-Za-z+/]+={0,2}"
EXAMPLE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def whole(text: str, noun: str, source: str) -> str:
    """Type and key without the comment, once the key is known to be whole.

    Args:
        text: What matches PATTERN, with or without a comment.
        noun: What such a key is called here, with its article.
        source: What to copy it from.

    Raises:
        UnfitError: Something of it is missing.
    """
    # Only a declaration with keys has to wait for what reads them.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    key = " ".join(text.split()[:2])
    try:
        load_ssh_public_key(key.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitError(
            f"is {noun} of which something is missing", f"copy the whole line {source}"
        ) from None
    return key


def _public(text: str) -> str:
    return whole(text, "a public key for SSH", "in the file that ends in .pub")


def _hint(text: str) -> str | None:
    if "PRIVATE KEY" in text:
        return "write the public key, the line in the file that ends in .pub"
    inside = re.search(PATTERN, text)
    return f"leave out what stands before {inside.group(1)}" if inside else None


PUBLIC_KEY = Form(
    name="public-key",
    noun="a public key for SSH",
    rule="its type and the key, as they stand in the file that ends in .pub",
    example=EXAMPLE,
    pattern=rf"^{PATTERN}( [^\n]*)?$",
    value=_public,
    hint=_hint,
)
FORMS = (PUBLIC_KEY,)

PublicKey = Annotated[str, Written(PUBLIC_KEY)]
