from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.routing import Mount

from cloud.state.database import Database
from cloud.web.problems import PREFIX, REFUSALS, TYPES
from contract.errors import RejectedError

DOCS = Path(__file__).parents[3] / "docs" / "api.md"


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/api/v1/nothing", 404, "Not Found"),
        ("GET", "/api/v1/", 404, "Not Found"),
        ("DELETE", "/api/v1/devices", 405, "Method Not Allowed"),
        ("GET", "/api/v1/login", 405, "Method Not Allowed"),
    ],
)
async def test_plain_http_errors_are_problems_too(
    op: httpx.AsyncClient, method: str, path: str, status: int, title: str
) -> None:
    answer = await op.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "about:blank"
    assert answer.json()["title"] == title
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"\xff\xfe", "application/json", 422),
        (b'{"step": 1}', "application/json", 422),
        (b"step=dispatch", "application/x-www-form-urlencoded", 422),
        (b'"' + b"x" * 2_000_000 + b'"', "application/json", 413),
    ],
)
async def test_bodies_that_cannot_be_taken(
    op: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    answer = await op.post("/api/v1/cases/x/steps", content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_of_unknown_length_is_not_read(op: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000

    answer = await op.post("/api/v1/cases/x/steps", content=endless())
    assert answer.status_code == 411
    assert answer.json()["type"] == "urn:gridwarden:problem:length-required"


async def test_a_bug_is_told_without_its_trace_and_found_in_the_log(
    app: FastAPI, op: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    api = next(route.app for route in app.routes if isinstance(route, Mount) and route.path)
    assert isinstance(api, FastAPI)

    @api.get("/bug")
    def _bug() -> None:
        raise ZeroDivisionError("a secret of the inside")

    with caplog.at_level(logging.ERROR):
        answer = await op.get("/api/v1/bug")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.json()["instance"] in caplog.text


async def test_a_database_that_fails_is_not_our_visitors_fault(
    op: httpx.AsyncClient, database: Database
) -> None:
    with database.write() as connection:
        connection.execute(sa.text("DROP TABLE quarantine"))
    answer = await op.get("/api/v1/quarantine")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "no such table" not in answer.text


def test_every_refusal_of_the_services_is_told() -> None:
    console = "cloud.web.console"  # what its pages refuse among themselves reaches no address
    ours = {
        each
        for each in RejectedError.__subclasses__()
        if each.__module__.startswith("cloud.") and not each.__module__.startswith(console)
    }
    assert set(REFUSALS) == ours
    assert set(REFUSALS.values()) <= set(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_every_problem_is_documented(kind: str) -> None:
    status, _ = TYPES[kind]
    assert f"| `{PREFIX}{kind}` | {status} |" in DOCS.read_text(encoding="utf-8")
