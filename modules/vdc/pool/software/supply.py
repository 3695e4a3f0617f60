"""Software that the service cannot fetch itself, sent in parts by who can.

What comes is held to the sum that the package names, so that nobody can bring anything else.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from vdc.client.software import Software
from vdc.pool.aside import aside
from vdc.pool.auth import Caller
from vdc.pool.refusal import RefusalError
from vdc.pool.service import Service
from vdc.scheduler.work import Work

if TYPE_CHECKING:
    from vdc.library import Artifact

_PROBE = {
    "ID": "vdc-supply",
    "Name": "vdc-supply",
    "Type": "batch",
    "Datacenters": ["*"],
    "TaskGroups": [{"Name": "none", "Count": 0, "Tasks": [{"Name": "none", "Driver": "raw_exec"}]}],
}
"""A job that is planned and never registered."""

router = APIRouter(prefix="/api/v1/library/{package}/software")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def changer(request: Request) -> Caller:
    """Who may run work may bring what it needs; the scheduler judges, as it does of work."""
    caller: Caller = request.state.caller
    service = _service(request)
    await service.changeable()
    await Work(service.nomad, caller.token).plan(_PROBE)
    return caller


async def _artifact(package: str, sha256: str, request: Request) -> Artifact:
    """The part of a package with this sum."""
    library = await _service(request).library()
    for artifact in library.get(package).artifacts:
        if artifact.sha256 == sha256:
            return artifact
    raise RefusalError(404, f"{package} has no software of this SHA-256")


# Of what type is not said to FastAPI, which would have to import the library for it.
Wanted = Annotated[Any, Depends(_artifact)]
Changer = Annotated[Caller, Depends(changer)]


@router.get("")
async def get_software(package: str, request: Request) -> list[Software]:
    """What a package needs, and what of it the service has."""
    service = _service(request)
    artifacts = (await service.library()).get(package).artifacts
    return [await aside(partial(_shown, service, artifact)) for artifact in artifacts]


@router.put("/{sha256}")
async def send_software(
    artifact: Wanted, request: Request, _: Changer, offset: Annotated[int, Query(ge=0)]
) -> Software:
    """Bring the next part of an archive."""
    service = _service(request)
    content = await request.body()
    await aside(partial(service.shelf.receive, artifact, offset, content))
    return await aside(partial(_shown, service, artifact))


@router.post("/{sha256}/unpack")
async def unpack_software(artifact: Wanted, request: Request, _: Changer) -> Software:
    """Unpack an archive that has come as a whole."""
    service = _service(request)
    await aside(partial(service.shelf.unpack_received, artifact))
    return await aside(partial(_shown, service, artifact))


def _shown(service: Service, artifact: Artifact) -> Software:
    return Software(
        name=artifact.folder.replace("/", " "),
        pinned=artifact.pypi,
        sha256=artifact.sha256,
        size=artifact.size,
        there=service.shelf.has(artifact),
        received=service.shelf.received(artifact),
    )
