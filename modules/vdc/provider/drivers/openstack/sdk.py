"""OpenStack's own SDK: imported when the first cloud is asked, and its errors as lines of ours."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from vdc.errors import MissingExtraError, NodeError

# With the SDK's doubling delays these are half a minute; a cloud's own Retry-After goes first.
_RETRIES = 6
# Said before anything was done. What else begins with a 5 may come after the deed.
_NOT_DONE = (429, 503)
_PASSING = (429, 500, 502, 503, 504)
_SILENCE_S = 60


class LostAnswerError(NodeError):
    """A request may have been carried out, and its answer did not come."""


class RefusedError(NodeError):
    """A cloud said no.

    Attributes:
        status: HTTP status.
        said: The cloud's own words.
    """

    def __init__(self, text: str, status: int, said: str) -> None:
        super().__init__(text)
        self.status = status
        self.said = said


@cache
def sdk() -> Any:
    """The module ``openstack``.

    Raises:
        MissingExtraError: It is not installed; the text names the extra that brings it.
    """
    with MissingExtraError.named("openstack"):
        import openstack
    # It says each time that it asks again, and where nobody listens that ends on the terminal.
    logging.getLogger("keystoneauth").addHandler(logging.NullHandler())
    return openstack


def connect(cloud: str, region: str, *, repeats: bool) -> Any:
    """A connection as ``clouds.yaml`` says. Blocks for one request, which proves who asks.

    Args:
        cloud: The entry.
        region: The region; empty for the entry's own.
        repeats: Whether a request whose fate is unknown is sent again: right for those that
            change nothing or come to the same when they come twice.

    Raises:
        NodeError: There is no such entry, or the cloud does not let us in.
    """
    openstack = sdk()
    with told(cloud, "sign-in"):
        connection = openstack.connect(
            cloud=cloud,
            app_name="vdc",
            api_timeout=_SILENCE_S,
            connect_retries=_RETRIES if repeats else 0,
            status_code_retries=_RETRIES,
            retriable_status_codes=list(_PASSING if repeats else _NOT_DONE),
            **({"region_name": region} if region else {}),
        )
        connection.authorize()
    return connection


@contextmanager
def told(cloud: str, stage: str) -> Iterator[None]:
    """Turns the SDK's errors into one line that names cloud and stage.

    Raises:
        LostAnswerError: Nobody knows whether it was done.
        RefusedError: The cloud said no.
        NodeError: Anything else that the SDK raises.
    """
    from keystoneauth1.exceptions import ClientException, RetriableConnectionFailure

    failures = sdk().exceptions
    where = f"cloud {cloud}: {stage}"
    try:
        yield
    except failures.HttpException as error:
        status, said = error.status_code or 0, _line(error.details or error.message)
        if not status or (status >= 500 and status not in _NOT_DONE):
            raise LostAnswerError(f"{where}: {said}") from error
        raise RefusedError(f"{where}: {said}", status, said) from error
    except RetriableConnectionFailure as error:
        raise LostAnswerError(f"{where}: {_line(error)}") from error
    except (failures.SDKException, ClientException) as error:
        raise NodeError(f"{where}: {_line(error)}") from error


def _line(said: object) -> str:
    return " ".join(str(said).split())
