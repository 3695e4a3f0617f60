"""Whom the client trusts: the data centre's own authority and nobody else."""

from __future__ import annotations

import ssl
from pathlib import Path

from vdc.errors import PoolError


def context(ca_file: Path) -> ssl.SSLContext:
    """A context that trusts one CA file.

    Raises:
        PoolError: The file is missing or holds no certificate.
    """
    try:
        trusted = ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise PoolError(
            f"the pool's CA file {ca_file} cannot be used ({error}); run `vdc up`"
        ) from error
    trusted.minimum_version = ssl.TLSVersion.TLSv1_2
    return trusted
