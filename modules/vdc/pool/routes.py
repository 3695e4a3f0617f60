"""The pool API. Each route is a few lines: who may, what is asked, which part answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPBearer
from fastapi.sse import EventSourceResponse, ServerSentEvent

from vdc.client.models import (
    App,
    ErrorAnswer,
    InstallRequest,
    Node,
    PackageDetail,
    PackageSummary,
    Pool,
    Run,
    RunRequest,
    ScaleRequest,
    Stream,
    SubmitRequest,
)
from vdc.pool import views
from vdc.pool.auth import FRESH_S, Caller
from vdc.pool.hub import Numbered
from vdc.pool.logs import Wanted
from vdc.pool.refusal import RefusalError
from vdc.pool.service import Service

# Documents the token in OpenAPI; the guard has checked it before any route is reached.
_TOKEN = Security(HTTPBearer(auto_error=False, description="An ACL token of the scheduler"))

_CHECK_S = 1.0

router = APIRouter(
    prefix="/api/v1",
    dependencies=[_TOKEN],
    responses={"4XX": {"model": ErrorAnswer}, "503": {"model": ErrorAnswer}},
)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _sees_nodes(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    if not caller.sees_nodes:
        raise RefusalError(403, "your token does not permit seeing nodes")
    return caller


def _sees_work(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    if not caller.sees_work:
        raise RefusalError(403, "your token does not permit seeing apps and runs")
    return caller


async def _changes(
    service: Annotated[Service, Depends(_service)], caller: Annotated[Caller, Depends(_sees_work)]
) -> Caller:
    await service.changeable()
    return caller


Parts = Annotated[Service, Depends(_service)]
AnyCaller = Annotated[Caller, Depends(_caller)]
NodeReader = Annotated[Caller, Depends(_sees_nodes)]
WorkReader = Annotated[Caller, Depends(_sees_work)]
Changer = Annotated[Caller, Depends(_changes)]
Follow = Annotated[bool, Query(description="Go on until the task has ended")]
Tail = Annotated[int | None, Query(ge=0, le=100_000, description="Only the last lines")]


# --- capacity --------------------------------------------------------------------


@router.get("/pool")
async def get_pool(parts: Parts, _: NodeReader) -> Pool:
    """Capacity and use of everything, by site and by group."""
    await parts.met()
    follower = parts.follower
    return views.pool(parts.config, parts.model, follower.as_of, stale=follower.stale)


@router.get("/nodes")
async def get_nodes(parts: Parts, _: NodeReader) -> list[Node]:
    """Every node."""
    await parts.met()
    return views.nodes(parts.config, parts.model)


# --- library ---------------------------------------------------------------------


@router.get("/library")
async def get_library(parts: Parts, _: AnyCaller) -> list[PackageSummary]:
    """Every package that can be installed."""
    library = await parts.library()
    return [views.package_summary(package) for package in library.packages]


@router.get("/library/{package}")
async def get_package(package: str, parts: Parts, _: AnyCaller) -> PackageDetail:
    """One package, with the schema of its options."""
    library = await parts.library()
    return views.package_detail(library.get(package))


# --- apps ------------------------------------------------------------------------


@router.get("/apps")
async def get_apps(parts: Parts, _: WorkReader) -> list[App]:
    """Every app."""
    await parts.ready()
    return [parts.app(record) for record in parts.apps.all]


@router.post("/apps", status_code=202)
async def install(request: InstallRequest, parts: Parts, caller: Changer) -> App:
    """Install a package, or change an app's options."""
    await parts.ready()
    await parts.library()
    if request.name.startswith("run-"):
        raise RefusalError(400, "name: names that begin with run- are for runs")
    record = await parts.installer.install(request, caller.token, exists=parts.app_runs)
    return parts.app(record)


@router.get("/apps/{name}")
async def get_app(name: str, parts: Parts, caller: WorkReader) -> App:
    """One app, with its endpoints."""
    record = await parts.record(name)
    return parts.app(record, await parts.endpoints(record, caller.token))


@router.post("/apps/{name}/scale", status_code=202)
async def scale(name: str, request: ScaleRequest, parts: Parts, caller: Changer) -> App:
    """Give a task group another count."""
    record = await parts.record(name)
    package = (await parts.library()).get(record.package)
    options = package.scaled(record.chosen, request.count, request.group)
    again = InstallRequest(package=record.package, name=name, options=options)
    record = await parts.installer.install(again, caller.token, exists=parts.app_runs)
    return parts.app(record)


@router.delete("/apps/{name}", status_code=204)
async def stop(name: str, parts: Parts, caller: Changer, purge: bool = False) -> None:
    """Stop an app; with purge, forget it."""
    await parts.ready()
    await parts.installer.stop(name, caller.token, purge=purge)


@router.get("/apps/{name}/logs", response_class=StreamingResponse)
async def app_logs(
    name: str,
    parts: Parts,
    caller: Changer,
    task: str = "",
    stream: Stream = "stdout",
    follow: Follow = False,
    tail: Tail = None,
) -> Response:
    """Output of an app's task."""
    await parts.record(name)
    wanted = Wanted(name, task, stream, follow, tail, caller.token)
    return _text(await parts.logs(caller.token).open(wanted))


@router.post("/apps/{name}/submit", status_code=202)
async def submit(name: str, request: SubmitRequest, parts: Parts, caller: Changer) -> Run:
    """Run a program on an app."""
    record = await parts.record(name)
    await parts.library()
    return await parts.runs.submit(record, request, caller.token)


# --- runs ------------------------------------------------------------------------


@router.post("/runs", status_code=202)
async def start_run(request: RunRequest, parts: Parts, caller: Changer) -> Run:
    """Run a command once, somewhere in the pool."""
    return await parts.runs.start(request, caller.token)


@router.get("/runs")
async def get_runs(parts: Parts, _: WorkReader) -> list[Run]:
    """Every run that the scheduler remembers."""
    await parts.met()
    return parts.runs.all()


@router.get("/runs/{run}")
async def get_run(run: str, parts: Parts, _: WorkReader) -> Run:
    """One run."""
    await parts.met()
    return parts.runs.get(run)


@router.get("/runs/{run}/logs", response_class=StreamingResponse)
async def run_logs(
    run: str,
    parts: Parts,
    caller: Changer,
    stream: Stream = "stdout",
    follow: Follow = False,
    tail: Tail = None,
) -> Response:
    """Output of a run."""
    parts.runs.get(run)
    wanted = Wanted(run, "", stream, follow, tail, caller.token)
    return _text(await parts.logs(caller.token).open(wanted))


@router.delete("/runs/{run}", status_code=204)
async def stop_run(run: str, parts: Parts, caller: Changer) -> None:
    """Stop a run."""
    await parts.runs.stop(run, caller.token)


# --- events ----------------------------------------------------------------------


@router.get("/events", response_class=EventSourceResponse)
async def events(
    parts: Parts, caller: AnyCaller, last_event_id: Annotated[str, Header(max_length=64)] = ""
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events; resumes after ``Last-Event-ID`` as far as the service remembers.

    A listener that does not keep up is cut off, and resumes likewise.
    """
    with parts.hub.listen(last_event_id) as (missed, listener):
        for numbered in missed:
            if _may_see(caller, numbered):
                yield _message(numbered)
        due = caller.checked + FRESH_S
        while True:
            now = time.monotonic()
            if now >= due:
                caller = await parts.gate.caller(caller.token)
                # While the scheduler is away the gate's answer stays old.
                due = max(caller.checked + FRESH_S, now + _CHECK_S)
            following: Numbered | None
            try:
                async with asyncio.timeout(due - now):
                    following = await listener.next()
            except TimeoutError:
                continue
            if following is None:
                return
            if _may_see(caller, following):
                yield _message(following)


def _may_see(caller: Caller, numbered: Numbered) -> bool:
    match numbered.event.kind:
        case "node":
            return caller.sees_nodes
        case "app" | "run":
            return caller.sees_work
    return True


def _message(numbered: Numbered) -> ServerSentEvent:
    event = numbered.event
    text = event.model_dump_json(exclude_defaults=True)
    return ServerSentEvent(raw_data=text, event=event.kind, id=numbered.id)


def _text(chunks: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(chunks, media_type="text/plain; charset=utf-8")
