"""/login, /logout and /language for people: plain forms, that work before any script does."""

from __future__ import annotations

import logging
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from cloud.web import accounts
from cloud.web.accounts import LANGUAGES
from cloud.web.api.session import set_cookie
from cloud.web.auth import COOKIE
from cloud.web.logins import Logins
from cloud.web.origin import is_cross_site
from cloud.web.pages import asset, render
from cloud.web.problems import Problem
from cloud.web.services import Services
from cloud.web.texts import text
from contract.errors import StorageError

logger = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

LANGUAGE_COOKIE = "gridwarden_language"
YEAR_S = 365 * 24 * 3600

Next = Annotated[str, Query(max_length=2000)]
Lang = Annotated[str, Query(max_length=8)]


@router.get("/login")
async def show(request: Request, next: Next = "/", lang: Lang = "") -> Response:  # noqa: A002
    """Show the form."""
    return _form(language_of(request, lang), next, chosen=lang)


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Take the form: begin a session and go where the person wanted to."""
    fields = await _fields(request)
    chosen = fields.get("lang", "")
    language = language_of(request, chosen)
    target = local_path(fields.get("next", "/"))
    if is_cross_site(request.headers):
        return _form(language, target, text("login.cross", language), 403, chosen=chosen)
    logins: Logins = request.app.state.logins
    address = request.client.host if request.client else ""
    try:
        account = await logins.sign_in(
            fields.get("name", "").strip(), fields.get("password", ""), address
        )
        token = await logins.start_session(
            account, lasts_ms=accounts.SESSION_MS, label=f"cookie {address}"
        )
    except Problem as problem:
        reason = _reason(problem, language)
        return _form(language, target, reason, problem.status, chosen=chosen)
    except StorageError as error:
        logger.error("nobody can sign in: %s", error)
        return _form(language, target, text("login.down", language), 503, chosen=chosen)
    if chosen in LANGUAGES and account.language != chosen:
        await run_sync(_remember, request.app.state.services, account.name, chosen)
    response = RedirectResponse(target, 303)
    set_cookie(request, response, token)
    kept = chosen if chosen in LANGUAGES else account.language
    response.set_cookie(LANGUAGE_COOKIE, kept, max_age=YEAR_S, samesite="lax", path="/")
    return response


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session."""
    response = RedirectResponse("/login", 303)
    token = request.cookies.get(COOKIE)
    if token and not is_cross_site(request.headers):
        await run_sync(_end, request.app.state.services, token)
        response.delete_cookie(COOKIE, path="/")
    return response


@router.post("/language")
async def choose_language(request: Request) -> Response:
    """Change the language, for this browser and for the account that is signed in."""
    fields = await _fields(request)
    response = RedirectResponse(local_path(fields.get("next", "/")), 303)
    chosen = fields.get("lang", "")
    if chosen in LANGUAGES and not is_cross_site(request.headers):
        response.set_cookie(LANGUAGE_COOKIE, chosen, max_age=YEAR_S, samesite="lax", path="/")
        token = request.cookies.get(COOKIE)
        if token:
            await run_sync(_remember_of_session, request.app.state.services, token, chosen)
    return response


def language_of(request: Request, wanted: str) -> str:
    """Return the language to greet a browser in: asked for, remembered, or Chinese."""
    remembered = request.cookies.get(LANGUAGE_COOKIE, "")
    return next((each for each in (wanted, remembered) if each in LANGUAGES), LANGUAGES[0])


def local_path(target: str) -> str:
    """Return a path of ours to go on to; never another site's, whatever was asked for."""
    parts = urlsplit(target.replace("\\", "/"))
    if parts.scheme or parts.netloc or not parts.path.startswith("/") or target.startswith("//"):
        return "/"
    return target if target.isprintable() else "/"


def _form(
    language: str, target: str, error: str = "", status: int = 200, *, chosen: str = ""
) -> HTMLResponse:
    page = render(
        "login.html",
        language=language,
        other=next(each for each in LANGUAGES if each != language),
        chosen=chosen,
        next=local_path(target),
        error=error,
        text=lambda key: text(key, language),
        style=asset("console.css"),
    )
    return HTMLResponse(page, status)


def _reason(problem: Problem, language: str) -> str:
    if problem.kind == "too-many-attempts":
        seconds = (problem.headers or {}).get("Retry-After", "")
        return text("login.often", language, seconds=seconds)
    return text("login.wrong", language)


async def _fields(request: Request) -> dict[str, str]:
    form = (await request.body()).decode("utf-8", "replace")
    try:
        return {name: values[0] for name, values in parse_qs(form, max_num_fields=10).items()}
    except ValueError:  # more fields than our form has
        return {}


def _remember(services: Services, name: str, language: str) -> None:
    with services.database.write() as connection:
        accounts.set_language(connection, name, language)


def _remember_of_session(services: Services, token: str, language: str) -> None:
    with services.database.write() as connection:
        account = accounts.session(connection, token, now_ms=services.clock.now_ms())
        if account:
            accounts.set_language(connection, account.name, language)


def _end(services: Services, token: str) -> None:
    with services.database.write() as connection:
        accounts.end_session(connection, token)
