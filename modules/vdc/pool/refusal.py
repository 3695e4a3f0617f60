"""Every answer of the service that is not a success, in one shape."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from vdc.client.models import ErrorAnswer, Failure
from vdc.errors import PackageError, PoolError, SchedulerError, VdcError
from vdc.scheduler.absence import is_away

_LOG = logging.getLogger(__name__)
_OUT_OF_TOUCH = "the scheduler does not answer, so nothing can be changed or looked up in it now"


class RefusalError(PoolError):
    """A request that the service does not carry out, with what to do about it."""

    def __init__(self, status: int, message: str, remedy: str | None = None) -> None:
        super().__init__(message, status)
        self.remedy = remedy


def answer(status: int, message: str, remedy: str | None = None) -> JSONResponse:
    """The JSON of a refusal."""
    body = ErrorAnswer(error=Failure(message=message, remedy=remedy))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body.model_dump(exclude_none=True), status, headers)


def from_scheduler(error: SchedulerError) -> RefusalError:
    """What a refusal of the scheduler means to the caller."""
    # A refusal on the way through an agent comes without its status.
    if error.status == 403 or str(error).endswith("Permission denied"):
        return RefusalError(403, "your token does not permit this", "ask for a token that does")
    if is_away(error):
        return RefusalError(503, _OUT_OF_TOUCH, "try again; `vdc status` says whether it is back")
    status = error.status if error.status < 500 else 422
    return RefusalError(status, "the scheduler says: " + " ".join(str(error).split()))


def install(app: FastAPI) -> None:
    """Makes the application answer every failure in the one shape."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        if isinstance(error, SchedulerError):
            error = from_scheduler(error)
        if isinstance(error, RefusalError):
            return answer(error.status, str(error), error.remedy)
        if isinstance(error, PoolError) and error.status:
            return answer(error.status, str(error))
        if isinstance(error, PackageError):
            return answer(400, str(error), "`vdc library NAME` shows the options")
        return answer(400, str(error))

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        problems = error.errors() if isinstance(error, RequestValidationError) else []
        lines = [
            f"{'.'.join(str(part) for part in problem['loc'][1:]) or 'body'}: "
            f"{str(problem['msg'])[:1].lower()}{str(problem['msg'])[1:]}"
            for problem in problems
        ]
        return answer(400, "; ".join(lines), "see /api/v1/openapi.json for what is expected")

    async def plain(_: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        text = {404: "there is nothing at this address", 405: "this address takes another method"}
        detail = str(getattr(error, "detail", ""))
        return answer(status, text.get(status, detail), "see /api/v1/openapi.json")

    async def defect(request: Request, error: Exception) -> JSONResponse:
        _LOG.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return answer(500, "the pool service failed; its log says why")

    app.add_exception_handler(VdcError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, defect)
