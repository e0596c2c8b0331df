"""The web application: the API at /api/v1, health and metrics, and the console in front."""

from __future__ import annotations

from importlib.metadata import version
from secrets import token_hex

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.routing import APIRoute
from starlette.staticfiles import StaticFiles

from cloud.web import callbacks, health, metrics, problems, signin
from cloud.web.api import (
    alerts,
    assessment,
    backtests,
    case_files,
    cases,
    commands,
    completeness,
    devices,
    export,
    gateways,
    inbox,
    maintenance,
    notifications,
    outbox,
    performance,
    quarantine,
    rules,
    series,
    session,
    stream,
)
from cloud.web.live import Live
from cloud.web.logins import Logins
from cloud.web.middleware import Door
from cloud.web.open311 import Open311
from cloud.web.pages import STATIC
from cloud.web.services import Services

API = "/api/v1"

ROUTERS: tuple[APIRouter, ...] = (
    session.router,
    devices.router,
    series.router,
    export.router,
    performance.router,  # before /alerts/{alert}
    alerts.router,
    maintenance.router,
    backtests.router,  # before /rules/{rule}
    rules.router,
    assessment.router,  # before /cases/{case}
    cases.router,
    case_files.router,
    completeness.router,
    gateways.router,
    inbox.router,
    notifications.router,
    outbox.router,
    commands.router,
    quarantine.router,
    stream.router,
)

DESCRIPTION = """
Devices, their readings over time, alerts, cases and gateways.

Sign in at `/login`: with a session cookie, or with `as: token` for a bearer token.
Times are RFC 3339 in UTC in `at` and members that end in `_at`, UTC milliseconds in those that end
in `_ms`. Values are in the unit that stands beside them. Lists come in pages: pass `next` as
`cursor`.
Every error is problem details (RFC 9457), `application/problem+json`.
"""


def create_app(services: Services, *, console: bool = True) -> FastAPI:
    """Build the application. With the console at most once a process: NiceGUI is global.

    Whoever runs it also runs `app.state.live.run()`; cloud/web/server.py does.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    live = Live(services)
    logins = Logins(services)
    registry = metrics.Metrics(services, live)
    api = create_api(services)
    for part in (app, api):
        part.state.services = services
        part.state.live = live
        part.state.logins = logins
        part.state.metrics = registry
        problems.install(part)
    app.add_middleware(Door, services=services, metrics=registry)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(signin.router)
    app.include_router(callbacks.router)
    app.mount(API, api)
    if services.open311.enabled:
        app.mount("/open311/v2", Open311(services).app())
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_route("/favicon.ico", _favicon)
    if console:
        from cloud.web.console.pages import mount  # NiceGUI takes a second to import

        mount(app, services, live)
    return app


def create_api(services: Services) -> FastAPI:
    """Build what is served under /api/v1."""
    api = FastAPI(
        title="Gridwarden",
        version=version("gridwarden"),
        description=DESCRIPTION,
        docs_url=None,  # these fetch their scripts from the internet
        redoc_url=None,
        generate_unique_id_function=_operation,
    )
    api.state.streams = stream.Streams(token_hex(4), services.settings.max_streams)
    api.state.exports = export.Exports()
    for router in ROUTERS:
        api.include_router(router)
    return api


async def _favicon(_: Request) -> Response:
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")


def _operation(route: APIRoute) -> str:
    return route.name
