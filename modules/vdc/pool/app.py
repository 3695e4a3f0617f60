"""The web application around the service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, PlainTextResponse

from vdc.pool import refusal
from vdc.pool.auth import Guard
from vdc.pool.declared import router as declared
from vdc.pool.joining.bundles import router as bundles
from vdc.pool.joining.routes import router as joining
from vdc.pool.routes import router
from vdc.pool.service import Service
from vdc.pool.software.depot import depot
from vdc.pool.software.supply import router as supply

_LARGEST_BODY = 4 * 1024 * 1024
_LANDING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Token needed</title>
<p>This service answers only to holders of a token.</p></html>
"""


def create_app(service: Service) -> FastAPI:
    """The application; it follows the scheduler from its start to its end."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="vdc pool",
        version="1",
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        max_body_size=_LARGEST_BODY,
    )
    app.state.service = service
    app.add_middleware(Guard, gate=lambda: service.gate)
    refusal.install(app)
    app.include_router(router)
    app.include_router(declared)
    app.include_router(supply)
    app.include_router(bundles)
    app.include_router(joining)
    app.include_router(depot())

    @app.get("/", include_in_schema=False)
    async def landing() -> HTMLResponse:
        return HTMLResponse(_LANDING)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    return app
