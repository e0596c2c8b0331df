"""The door that every request comes through: counted, headed, and, for the console, checked.

Nothing of NiceGUI beyond its static files is reached without a session: no page is built and no
socket opened for a stranger.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.web import accounts, problems
from cloud.web.auth import COOKIE, Visitor
from cloud.web.metrics import Metrics
from cloud.web.open311 import unfit_body
from cloud.web.origin import is_cross_site
from cloud.web.problems import Problem
from cloud.web.services import Services
from contract.errors import StorageError

VISITOR = "gridwarden.visitor"  # in the scope of the console's requests

# What is served without a session, or checks it itself.
OPEN = ("/login", "/logout", "/language", "/healthz", "/readyz", "/metrics", "/favicon.ico")
OPEN_BELOW = ("/api/", "/callbacks/", "/open311/", "/static/", "/_nicegui/")
SOCKET = "/_nicegui_ws/"

# NiceGUI compiles Vue templates in the browser and starts from an inline script.
CONSOLE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
MAX_BODY_BYTES = 1 << 20
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Door:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, services: Services, metrics: Metrics) -> None:
        self._app = app
        self._services = services
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = self._headed(scope, send)
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        unfit = _unfit_body(Headers(scope=scope), self._most_bytes(scope["path"]))
        if unfit and scope["path"].startswith("/open311/"):
            await unfit_body(scope["path"], unfit.detail)(scope, receive, send)
            return
        if unfit:
            await problems.response(unfit)(scope, receive, send)
            return
        path: str = scope["path"]
        if path in OPEN or path.startswith(OPEN_BELOW):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if path.startswith(SOCKET) and is_cross_site(headers):
            problem = Problem("cross-site", "another site may not speak to the console")
            await problems.response(problem)(scope, receive, send)
            return
        try:
            visitor = await self._visitor(headers)
        except StorageError as error:
            await problems.unavailable(error)(scope, receive, send)
            return
        if visitor is None:
            query = scope["query_string"].decode("latin-1")
            here = path + (f"?{query}" if query else "")
            target = "/login" if here == "/" else f"/login?next={quote(here, safe='')}"
            await RedirectResponse(target, 303)(scope, receive, send)
            return
        await self._app({**scope, VISITOR: visitor}, receive, send)

    def _most_bytes(self, path: str) -> int:
        if path.startswith("/api/v1/cases/") and path.endswith("/files"):
            return self._services.files.bounds.largest_bytes
        return MAX_BODY_BYTES

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        welcome = scope["path"].startswith(SOCKET) and not is_cross_site(headers)
        if welcome and await self._visitor(headers):
            await self._app(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 1008})

    async def _visitor(self, headers: Mapping[str, str]) -> Visitor | None:
        token = _cookie(headers.get("cookie", ""))
        return await run_sync(self._look_up, token) if token else None

    def _look_up(self, token: str) -> Visitor | None:
        with self._services.database.read() as connection:
            account = accounts.session(connection, token, now_ms=self._services.clock.now_ms())
        return None if account is None else Visitor(account=account, token=token)

    def _headed(self, scope: Scope, send: Send) -> Send:
        path: str = scope["path"]
        area = _area(path)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = str(message["status"])
                self._metrics.requests.labels(area, _method(scope), status).inc()
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                policy = API_POLICY if area == "api" else CONSOLE_POLICY
                headers.setdefault("Content-Security-Policy", policy)
                found = message["status"] in (200, 304)
                if path.startswith("/static/") and found:  # asked for by a digest of the content
                    headers.setdefault("Cache-Control", "public, max-age=31536000, immutable")
                elif area != "assets" or not found:
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        return headed


def _unfit_body(headers: Mapping[str, str], most_bytes: int) -> Problem | None:
    if "transfer-encoding" in headers:
        return Problem("length-required", "send the body with its Content-Length")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > 12 or int(length) > most_bytes:
        return Problem("too-large", f"{length[:20]} bytes; at most {most_bytes}")
    return None


def _area(path: str) -> str:
    if path.startswith(("/api/", "/callbacks/", "/open311/")):
        return "api"
    if path.startswith(("/static/", "/_nicegui/", "/favicon.ico")):
        return "assets"
    if path in ("/healthz", "/readyz", "/metrics"):
        return "health"
    return "console"


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    known = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
    return method if method in known else "other"  # a stranger may not invent labels


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
