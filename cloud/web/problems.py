"""Every error the API answers with, as RFC 9457 problem details. No traces go out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from http import HTTPStatus
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from cloud.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    InvalidFileError,
    NoRoomError,
    NotFoundError,
)
from contract.errors import RejectedError, StorageError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:gridwarden:problem:"

# The types, their status and title. docs/api.md explains each; a test holds both equal.
TYPES: dict[str, tuple[int, str]] = {
    "bad-credentials": (401, "Name or password is wrong"),
    "bad-cursor": (400, "The cursor is none of ours"),
    "bad-signature": (401, "The signature is not that of this body, now"),
    "bad-range": (400, "The time range cannot be answered"),
    "conflict": (409, "Not in this state, or somebody was faster"),
    "cross-site": (403, "The request comes from another site"),
    "forbidden": (403, "The role does not allow this"),
    "internal": (500, "Something is wrong on our side"),
    "invalid": (422, "The request is not what this address takes"),
    "length-required": (411, "The length of the body must be told"),
    "no-room": (507, "There is no room for more files"),
    "not-found": (404, "There is no such thing"),
    "not-signed-in": (401, "Sign in, or send a token"),
    "storage": (503, "The data cannot be read or written right now"),
    "too-large": (413, "The body is too large"),
    "too-many-attempts": (429, "Too many attempts to sign in"),
    "too-many-exports": (503, "Too many exports are running"),
    "too-many-streams": (503, "Too many streams are open"),
}


# How what the services refuse is told.
REFUSALS: dict[type[RejectedError], str] = {
    NotFoundError: "not-found",
    ConflictError: "conflict",
    ForbiddenError: "forbidden",
    InvalidError: "invalid",
    NoRoomError: "no-room",
}


class ProblemDetails(BaseModel):
    """RFC 9457 problem details; some types add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="What kind of problem: a URN, or about:blank for plain HTTP ones")
    title: str = Field(description="The kind in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What is wrong with this request")
    instance: str | None = Field(None, description="Names this occurrence in the server's log")


class Problem(Exception):
    """Raised to answer with problem details."""

    def __init__(
        self, kind: str, detail: str, *, headers: dict[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.status, self.title = TYPES[kind]
        self.detail = detail
        self.headers = headers
        self.members = members

    @classmethod
    def not_found(cls, what: str, key: str) -> Problem:
        return cls("not-found", f"there is no {what} {key!r}")

    @classmethod
    def bad_cursor(cls, cursor: str) -> Problem:
        return cls("bad-cursor", f"{cursor[:80]!r} is no cursor; take `next` of the page before")


def response(problem: Problem) -> JSONResponse:
    """Write a problem down."""
    return _json(
        {
            "type": PREFIX + problem.kind,
            "title": problem.title,
            "status": problem.status,
            "detail": problem.detail,
            **problem.members,
        },
        problem.status,
        problem.headers,
    )


def unavailable(error: StorageError) -> JSONResponse:
    """Write down that the data cannot be reached."""
    instance = _logged(error)
    return response(
        Problem("storage", "try again later", headers={"Retry-After": "5"}, instance=instance)
    )


def install(app: FastAPI) -> None:
    """Make an application answer every error this way."""

    @app.exception_handler(Problem)
    async def _on_problem(_: Request, problem: Problem) -> JSONResponse:
        return response(problem)

    @app.exception_handler(HTTPException)
    async def _on_http(_: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == HTTPStatus.BAD_REQUEST:  # what FastAPI says of undecodable bodies
            return response(Problem("invalid", "the body is not JSON in UTF-8"))
        title = HTTPStatus(error.status_code).phrase
        members = {"type": "about:blank", "title": title, "status": error.status_code}
        headers = dict(error.headers) if error.headers else None
        return _json({**members, "detail": str(error.detail)}, error.status_code, headers)

    @app.exception_handler(RequestValidationError)
    async def _on_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # Not what was sent: it may be a password.
        errors = [
            {"where": ".".join(str(step) for step in each["loc"]), "message": each["msg"]}
            for each in error.errors()
        ]
        detail = "; ".join(f"{each['where']}: {each['message']}" for each in errors)
        return response(Problem("invalid", detail, errors=errors))

    @app.exception_handler(InvalidFileError)
    async def _on_file(_: Request, error: InvalidFileError) -> JSONResponse:
        return response(Problem("invalid", str(error), errors=_in_file(error.problems)))

    @app.exception_handler(RejectedError)
    async def _on_refused(_: Request, error: RejectedError) -> JSONResponse:
        return response(Problem(REFUSALS.get(type(error), "conflict"), str(error)))

    @app.exception_handler(StorageError)
    async def _on_storage(_: Request, error: StorageError) -> JSONResponse:
        return unavailable(error)

    @app.exception_handler(Exception)
    async def _on_bug(_: Request, error: Exception) -> JSONResponse:
        instance = _logged(error)
        return response(Problem("internal", "this was written to the log", instance=instance))


def _in_file(problems: Sequence[str]) -> list[dict[str, str]]:
    """Part each problem, `file:line: key: what is wrong`, into where and what."""
    parts = [each.split(": ", 2) for each in problems]
    return [{"where": ": ".join(each[:-1]), "message": each[-1]} for each in parts]


def _logged(error: Exception) -> str:
    instance = f"urn:uuid:{uuid4()}"
    logger.error("%s: %s", instance, error)
    return instance


def _json(
    members: dict[str, object], status: int, headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse(members, status, headers=headers, media_type=MEDIA_TYPE)
