"""/login, /logout, /me: who is asking."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response, status
from pydantic import BaseModel, Field

from cloud.core.case_roles import CaseRole
from cloud.web import accounts, models
from cloud.web.api.common import problems
from cloud.web.auth import COOKIE, Having, Viewer
from cloud.web.logins import TOKEN_MS, Logins
from cloud.web.models import Instant
from cloud.web.origin import is_cross_site
from cloud.web.problems import Problem

router = APIRouter(tags=["session"])


class Kept(StrEnum):
    """How the session is kept."""

    COOKIE = "cookie"
    TOKEN = "token"  # noqa: S105  not one, but the word


class Credentials(BaseModel):
    """Who wants in."""

    name: str = Field(max_length=63)
    password: str = Field(max_length=1000)
    kept: Kept = Field(
        Kept.COOKIE,
        alias="as",
        description="cookie: for browsers, 12 h. token: for programs, a year; send it as Bearer",
    )


class SignedIn(models.Account):
    """An account, and its token if one was asked for; it is told only here."""

    token: str | None = Field(None, description="For Authorization: Bearer; null for a cookie")
    expires_ms: Instant


class Language(BaseModel):
    """What an account reads."""

    language: str = Field(description="zh or en", pattern="^(zh|en)$")


def _logins(request: Request) -> Logins:
    logins: Logins = request.app.state.logins
    return logins


@router.post("/login", responses=problems(403, 429))
async def login(
    request: Request,
    response: Response,
    services: Having,
    logins: Annotated[Logins, Depends(_logins)],
    given: Credentials,
) -> SignedIn:
    """Begin a session: as a cookie for a browser, or as a bearer token for a program."""
    as_cookie = given.kept is Kept.COOKIE
    if as_cookie and is_cross_site(request.headers):
        raise Problem("cross-site", "another site may not sign you in")
    address = request.client.host if request.client else ""
    account = await logins.sign_in(given.name, given.password, address)
    lasts_ms = accounts.SESSION_MS if as_cookie else TOKEN_MS
    token = await logins.start_session(account, lasts_ms=lasts_ms, label=f"{given.kept} {address}")
    if as_cookie:
        set_cookie(request, response, token)
    return SignedIn(
        **_view(account).model_dump(),
        token=None if as_cookie else token,
        expires_ms=services.clock.now_ms() + lasts_ms,
    )


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=problems(403))
def logout(response: Response, services: Having, asking: Viewer) -> None:
    """End this session."""
    with services.database.write() as connection:
        accounts.end_session(connection, asking.token)
    response.delete_cookie(COOKIE, path="/")


@router.get("/me", responses=problems())
def me(asking: Viewer) -> models.Account:
    """Return who is asking."""
    return _view(asking.account)


@router.put("/me/language", responses=problems(403))
def set_language(services: Having, asking: Viewer, said: Language) -> models.Account:
    """Remember the language this account reads."""
    with services.database.write() as connection:
        accounts.set_language(connection, asking.account.name, said.language)
        account = accounts.account(connection, asking.account.name)
    return _view(account or asking.account)


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Give a browser its session; scripts cannot read it, other sites cannot write with it."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=accounts.SESSION_MS // 1000,
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def _view(account: accounts.Account) -> models.Account:
    return models.Account(
        name=account.name,
        role=account.role,
        language=account.language,
        case_roles=[role.value for role in CaseRole if role in account.actor.roles],
        unit=account.unit,
    )
