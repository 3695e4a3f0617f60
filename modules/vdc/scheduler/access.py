"""How a program reaches the scheduler: addresses, the TLS files, a token."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Access:
    """Everything one caller needs.

    Attributes:
        addresses: ``https://host:port`` of each server; tried in order.
        ca_file: The data centre's certificate authority, PEM.
        cert_file: The caller's certificate, PEM.
        key_file: Its private key, PEM; mode 0600 wherever vdc writes one.
        token: Secret id of an ACL token; empty for calls that need none. Never shown by repr.
    """

    addresses: tuple[str, ...]
    ca_file: Path
    cert_file: Path
    key_file: Path
    token: str = field(default="", repr=False)

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the data centre's CA alone and presents the caller's certificate.

        Raises:
            OSError: A file is missing or unreadable.
            ssl.SSLError: A file holds no usable certificate or key.
        """
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.cert_file, self.key_file)
        return context
