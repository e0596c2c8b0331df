"""Who is asking, and whether they may: cookie or bearer token, roles, same-origin writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from cloud.core.model import Role
from cloud.web import accounts
from cloud.web.accounts import Account
from cloud.web.origin import OWN_HEADER, is_same_origin
from cloud.web.problems import Problem
from cloud.web.services import Services

COOKIE = "gridwarden_session"
SAFE = ("GET", "HEAD", "OPTIONS")

_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    scheme_name="session",
    description="The console's session. Writes must come from our own origin: a browser says so "
    f"in Sec-Fetch-Site or Origin; anything else sends the header {OWN_HEADER}: 1.",
)
_bearer = HTTPBearer(
    auto_error=False, scheme_name="token", description="From POST /login with `as: token`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """An account, and the session it asks with."""

    account: Account
    token: str


def services_of(request: Request) -> Services:
    """Return what the application was built with."""
    services: Services = request.app.state.services
    return services


Having = Annotated[Services, Depends(services_of)]


def visitor(
    request: Request,
    services: Having,
    cookie: Annotated[str | None, Depends(_cookie)] = None,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
) -> Visitor:
    """Return who is asking. Raises: Problem if nobody, or if another site makes them ask."""
    token = bearer.credentials if bearer else cookie
    if not token:
        raise Problem("not-signed-in", "no session cookie and no bearer token came with this")
    if bearer is None and request.method not in SAFE and not is_same_origin(request.headers):
        raise Problem(
            "cross-site",
            "a write with the session cookie must come from our own pages; "
            f"programs use a bearer token, or send {OWN_HEADER}: 1",
        )
    with services.database.read() as connection:
        account = accounts.session(connection, token, now_ms=services.clock.now_ms())
    if account is None:
        raise Problem("not-signed-in", "the session has ended; sign in again")
    return Visitor(account=account, token=token)


def at_least(role: Role) -> Callable[[Visitor], Visitor]:
    """Return a dependency that lets in those who have the role, or a higher one."""

    def check(asking: Annotated[Visitor, Depends(visitor)]) -> Visitor:
        require(asking.account, role)
        return asking

    return check


def require(account: Account, role: Role) -> None:
    """Raise a Problem unless the account has the role."""
    if not account.role.includes(role):
        raise Problem("forbidden", f"this takes the role {role}; {account.name} has {account.role}")


Viewer = Annotated[Visitor, Depends(at_least(Role.VIEWER))]
Manager = Annotated[Visitor, Depends(at_least(Role.MANAGER))]
Operator = Annotated[Visitor, Depends(at_least(Role.OPERATOR))]
