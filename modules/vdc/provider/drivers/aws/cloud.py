"""AWS as one account in one region: its clients, and its errors as lines of ours.

Throttling and passing failures are boto3's own to repeat; what reaches us is final.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from vdc.errors import MissingExtraError, NodeError

_KIND = "aws"
_ATTEMPTS = 8  # with the SDK's doubling delays, about a minute
_CONNECT_S = 10
_READ_S = 60
_MODELS = threading.Lock()

T = TypeVar("T")


class AwsError(NodeError):
    """AWS refused, or was not reached.

    Attributes:
        code: Its own word for it, such as ``Throttling``; empty without an answer.
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class AccountError(AwsError):
    """The credential is another account's than the declared one's."""


class CredentialError(AwsError):
    """There is no credential, or none that AWS takes."""


class RightsError(AwsError):
    """The credential is good, and may not do this."""


class SilentError(AwsError):
    """Nobody answers where the region should be."""


# In AWS's words; its services do not agree on one for the same thing.
_OF_CREDENTIAL = (
    *("AuthFailure", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException"),
    *("SignatureDoesNotMatch", "UnrecognizedClientException", "RequestExpired"),
)
_OF_RIGHTS = ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")


class Aws:
    """Clients of one account's services; safe for calls from many threads.

    Nothing is asked before the account was: whoever is signed in to another one is refused.

    Args:
        account: Twelve digits.
        region: Its code.
        profile: Of AWS's own configuration; empty: as boto3 finds a credential.
    """

    def __init__(self, account: str, region: str, profile: str = "") -> None:
        self.account = account
        self.region = region
        self._profile = profile
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._making = threading.Lock()
        self._checked = False

    async def ask(self, question: Callable[[Aws], T]) -> T:
        """Runs what blocks, in a thread.

        Raises:
            AwsError: One of its calls failed.
        """
        return await asyncio.to_thread(self._asked, question)

    def client(self, service: str) -> Any:
        """A service's client, for use inside of :meth:`ask`."""
        with self._making:
            if not self._checked:
                self._check_account()
                self._checked = True
            return self._client(service)

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
        """Every item of an answer in pages, for use inside of :meth:`ask`."""
        for page in self.client(service).get_paginator(operation).paginate(**arguments):
            yield from page[key]

    @contextmanager
    def named(self) -> Iterator[None]:
        """Turns the SDK's errors into one line that says where; for a call that may be refused."""
        with MissingExtraError.named(_KIND):
            from botocore.exceptions import BotoCoreError, ClientError
            from botocore.parsers import ResponseParserError
        try:
            yield
        except ClientError as error:
            said = error.response.get("Error", {})
            code, text = str(said.get("Code", "")), str(said.get("Message", ""))
            line = " ".join(text.split()) or code
            operation = error.operation_name
            refused = _refusal(code)
            raise refused(f"AWS {self.region}: {operation}: {line} ({code})", code) from error
        except (BotoCoreError, ResponseParserError) as error:
            line = " ".join(str(error).split())
            raise _failure(error)(f"AWS {self.region}: {line}") from error

    def _asked(self, question: Callable[[Aws], T]) -> T:
        with self.named():
            return question(self)

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            with MissingExtraError.named(_KIND):
                from botocore.config import Config
            config = Config(
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                connect_timeout=_CONNECT_S,
                read_timeout=_READ_S,
                user_agent_appid="vdc",
            )
            # Making a client is not safe beside itself; using it is.
            with _MODELS:
                self._session = self._session or _session(self.region, self._profile)
                self._clients[service] = self._session.client(service, config=config)
        return self._clients[service]

    def _check_account(self) -> None:
        found = self._client("sts").get_caller_identity()["Account"]
        if found != self.account:
            raise AccountError(
                f"the credential is of account {found}, and {self.account} is declared; "
                "sign in to that one, or name its profile"
            )


def _refusal(code: str) -> type[AwsError]:
    """What AWS's word for a refusal means."""
    if code in _OF_CREDENTIAL:
        return CredentialError
    return RightsError if code in _OF_RIGHTS else AwsError


def _failure(error: Exception) -> type[AwsError]:
    """What it means that the SDK has no answer to show."""
    from botocore import exceptions as known

    without_credential = (
        *(known.NoCredentialsError, known.PartialCredentialsError, known.CredentialRetrievalError),
        *(known.ProfileNotFound, known.TokenRetrievalError, known.SSOError),
    )
    if isinstance(error, without_credential):
        return CredentialError
    unheard = (known.HTTPClientError, known.ConnectionError, known.InvalidRegionError)
    return SilentError if isinstance(error, unheard) else AwsError


def _session(region: str, profile: str) -> Any:
    """The SDK with a credential of its own, and the models of services that all share."""
    with MissingExtraError.named(_KIND):
        import boto3
        import botocore.session
    base = botocore.session.get_session()
    base.register_component("data_loader", _models(profile))
    return boto3.Session(botocore_session=base, profile_name=profile or None, region_name=region)


@cache
def _models(profile: str) -> Any:
    """What the SDK knows of AWS's services: megabytes, which a process reads once.

    A profile may have more of it.
    """
    import botocore.session

    base = botocore.session.get_session()
    if profile:
        base.set_config_variable("profile", profile)
    return base.get_component("data_loader")


@cache
def shared(account: str, region: str, profile: str) -> Aws:
    """One for all who ask in this process: a client takes a second to be made."""
    return Aws(account, region, profile)
