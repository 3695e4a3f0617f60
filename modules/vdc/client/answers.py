"""From what the network gives to what vdc raises."""

from __future__ import annotations

import httpx
from pydantic import ValidationError

from vdc.client.models import ErrorAnswer, Failure
from vdc.errors import PoolError


def raise_for(response: httpx.Response) -> None:
    """Passes a success.

    Raises:
        PoolError: Anything else, with the service's own line and the HTTP status.
    """
    if response.is_success:
        return
    response.read()
    try:
        failure = ErrorAnswer.model_validate_json(response.content).error
    except ValidationError:
        failure = Failure(message=f"HTTP {response.status_code} from {response.request.url.host}")
    text = failure.message + (f"; {failure.remedy}" if failure.remedy else "")
    raise PoolError(text, response.status_code)


def unreachable(address: str, error: Exception) -> PoolError:
    """What to raise when there was no answer."""
    return PoolError(
        f"the pool service at {address} does not answer ({error or type(error).__name__}); "
        "see `vdc status`"
    )
