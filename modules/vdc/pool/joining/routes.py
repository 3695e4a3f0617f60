"""What nodes call. They hold no token: each request is judged by what it proves.

Answers are plain text, since on the other side is a shell: a refusal is one line, and carries
``Retry-After`` when asking again later can help.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Coroutine
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response

from vdc.errors import SchedulerError
from vdc.pool.joining.bundles import bundle as archive_of
from vdc.pool.joining.desk import Credentials, Desk, RefusedError
from vdc.pool.joining.identities import Evidence
from vdc.pool.service import Service

_LOG = logging.getLogger(__name__)
# A chain, a request and a proof are 4 KB.
_LARGEST_FORM = 32 * 1024
_MOST_FIELDS = 8
_AWAY_S = 5
_DIGEST = re.compile(r"[0-9a-f]{64}")

router = APIRouter(prefix="/join/v1", include_in_schema=False)


def _desk(request: Request) -> Desk | None:
    service: Service = request.app.state.service
    return service.desk


def _source(request: Request) -> str:
    return request.client.host if request.client else "unknown"


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, none when it is no form; what is missing is missed later."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            return {}
    try:
        found = parse_qs(body.decode("ascii"), max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        return {}
    return {field: values[0] for field, values in found.items()}


Place = Annotated[Desk | None, Depends(_desk)]
Source = Annotated[str, Depends(_source)]
Form = Annotated[dict[str, str], Depends(_form)]


@router.post("/nodes/{name}")
async def join(name: str, form: Form, desk: Place, source: Source) -> Response:
    """Take a node in for the first time."""
    if desk is None:
        return _nothing()
    return await _answer(desk.join(name, form.get("secret", ""), form.get("csr", ""), source))


@router.post("/groups/{site}/{group}")
async def join_group(site: str, group: str, form: Form, desk: Place, source: Source) -> Response:
    """Take in a machine of a group that its cloud makes."""
    if desk is None:
        return _nothing()
    secret, csr, document, signature = (
        form.get(field, "") for field in ("secret", "csr", "document", "signature")
    )
    evidence = Evidence(document, signature)
    return await _answer(desk.join_group(site, group, secret, csr, evidence, source))


@router.post("/nodes/{name}/renewal")
async def renew(name: str, form: Form, desk: Place, source: Source) -> Response:
    """Give a node its next certificate."""
    if desk is None:
        return _nothing()
    csr, cert, proof = (form.get(field, "") for field in ("csr", "cert", "proof"))
    return await _answer(desk.renew(name, csr, cert, proof, source))


@router.get("/bundles/{sha256}")
async def bundle(sha256: str, request: Request) -> Response:
    """What a node is made of. It holds no secret, and whoever fetches it knows its sum."""
    service: Service = request.app.state.service
    if service.config.join is None or not _DIGEST.fullmatch(sha256):
        return _nothing()
    file = await asyncio.to_thread(archive_of, service.config.join.bundles_dir, sha256)
    return FileResponse(file, media_type="application/gzip") if file else _nothing()


async def _answer(asked: Coroutine[Any, Any, Credentials]) -> Response:
    try:
        return PlainTextResponse((await asked).text)
    except RefusedError as error:
        refusal = error.refusal
        later = {"Retry-After": str(refusal.retry_s)} if refusal.retry_s else None
        return PlainTextResponse(f"{refusal.line}\n", refusal.status, later)
    except SchedulerError as error:
        _LOG.warning("a node could not be answered: %s", error)
        line = "the scheduler does not answer; ask again later\n"
        return PlainTextResponse(line, 503, {"Retry-After": str(_AWAY_S)})


def _nothing() -> Response:
    return PlainTextResponse("there is nothing at this address\n", 404)
