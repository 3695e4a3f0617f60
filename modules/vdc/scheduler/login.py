"""How the pool service gets its access: it signs a statement and is given a token for an hour.

Its key is the one it serves with. The scheduler knows the public half and nothing else, so no
token has to be brought to where the service runs, or kept there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vdc.errors import SchedulerError
from vdc.scheduler.client import Nomad
from vdc.scheduler.policies import POOL_SERVICE

_METHOD = "vdc-pool"
_ISSUER = "vdc-pool"
_AUDIENCE = "vdc-scheduler"
_SUBJECT = "pool.vdc"
_ALGORITHM = "ES256"
_STATEMENT_S = 60
_TIMEOUT_S = 30.0
_HEADER = "X-Nomad-Token"

TOKEN_S = 3600
"""How long a token is good, in seconds. It is exchanged at half of that: the event stream, which
is opened anew every few minutes, is then never cut off by the end of its token."""
# A token that old is known to every server: what it is refused is not permitted at all.
_SETTLED_S = 2.0

TERMS: Mapping[str, Any] = {
    "Name": _METHOD,
    "Type": "JWT",
    "TokenLocality": "global",
    "MaxTokenTTL": f"{TOKEN_S}s",
    "Default": False,
    "Config": {
        "SigningAlgs": [_ALGORITHM],
        "BoundAudiences": [_AUDIENCE],
        "BoundIssuer": [_ISSUER],
        "ClaimMappings": {"sub": "subject"},
    },
}
"""On what terms the scheduler lets the service in; the public key comes with the certificate."""
_RULE = {
    "AuthMethod": _METHOD,
    "Selector": f'value.subject == "{_SUBJECT}"',
    "BindType": "policy",
    "BindName": POOL_SERVICE.name,
}


async def let_in(nomad: Nomad, certificate: str) -> None:
    """Has the scheduler let in whoever holds the key of a certificate, and nobody else; idempotent.

    Args:
        nomad: A connection that may change access control.
        certificate: The pool service's, PEM.

    Raises:
        SchedulerError: The scheduler refuses or does not answer.
    """
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    terms = {**TERMS, "Config": {**TERMS["Config"], "JWTValidationPubKeys": [pem]}}
    methods = await nomad.json("GET", "/v1/acl/auth-methods")
    known = any(method["Name"] == _METHOD for method in methods or ())
    path = f"/v1/acl/auth-method/{_METHOD}" if known else "/v1/acl/auth-method"
    await nomad.call("POST", path, body=terms)
    rules = await nomad.json("GET", "/v1/acl/binding-rules")
    if not any(rule["AuthMethod"] == _METHOD for rule in rules or ()):
        await nomad.call("POST", "/v1/acl/binding-rule", body=_RULE)


class Login(httpx.Auth):
    """Gives a token to requests that bear none of a caller's.

    While the scheduler does not let the service in, requests raise
    :class:`~vdc.errors.SchedulerError` without a status, as when nobody answers: it is asked again.

    Args:
        key_file: The pool service's private key, PEM.
    """

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._lock = asyncio.Lock()
        self._token = ""
        self._since = -float(TOKEN_S)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """The request, after a login when one is due, and again when its token has ended early."""
        if _HEADER in request.headers:
            yield request
            return
        refused = ""
        for _ in range(2):
            async with self._lock:
                if self._token == refused or time.monotonic() - self._since > TOKEN_S / 2:
                    answer = yield self._asking(request.url)
                    await answer.aread()
                    self._take(answer)
                request.headers[_HEADER] = refused = self._token
                age = time.monotonic() - self._since
            response = yield request
            if response.status_code != httpx.codes.FORBIDDEN or age < _SETTLED_S:
                return

    def _asking(self, server: httpx.URL) -> httpx.Request:
        return httpx.Request(
            "POST",
            server.copy_with(raw_path=b"/v1/acl/login"),
            json={"AuthMethodName": _METHOD, "LoginToken": self._statement()},
            # Of its own: a stream may be silent for ever, an answer to this may not.
            extensions={"timeout": httpx.Timeout(_TIMEOUT_S).as_dict()},
        )

    def _take(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            raise SchedulerError(f"the pool service is not let in: {answer.text.strip()}")
        self._token = str(answer.json()["SecretID"])
        self._since = time.monotonic()

    def _statement(self) -> str:
        import jwt  # only who signs in needs it

        now = int(time.time())
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": _SUBJECT,
            "iat": now,
            "exp": now + _STATEMENT_S,
        }
        return jwt.encode(claims, self._key_file.read_text(), algorithm=_ALGORITHM)
