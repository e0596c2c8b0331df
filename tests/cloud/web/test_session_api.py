from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from cloud.web.auth import COOKIE
from cloud.web.services import Services
from tests.cloud.web.conftest import asgi, token_of
from tests.cloud.web.seed import PASSWORD

HERE = {"Sec-Fetch-Site": "same-origin"}


async def test_a_browser_signs_in_with_a_cookie_that_scripts_cannot_read(
    stranger: httpx.AsyncClient,
) -> None:
    answer = await stranger.post("/api/v1/login", json={"name": "op", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json() == {
        "name": "op",
        "role": "operator",
        "language": "zh",
        "case_roles": ["collector", "acceptor", "dispatcher", "handler", "verifier"],
        "unit": "",
        "token": None,
        "expires_at": "2026-09-22T02:13:20.000Z",
    }
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert (await stranger.get("/api/v1/me")).json()["name"] == "op"


async def test_over_https_the_cookie_is_secure(app: FastAPI) -> None:
    async with asgi(app) as client:
        client.base_url = httpx.URL("https://city.example")
        answer = await client.post("/api/v1/login", json={"name": "op", "password": PASSWORD})
    assert "Secure" in answer.headers["set-cookie"]


async def test_a_program_signs_in_with_a_token(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post(
        "/api/v1/login", json={"name": "guest", "password": PASSWORD, "as": "token"}
    )
    assert "set-cookie" not in answer.headers
    bearer = {"Authorization": f"Bearer {answer.json()['token']}"}
    me = await stranger.get("/api/v1/me", headers=bearer)
    assert me.json().items() >= {"name": "guest", "role": "viewer", "language": "zh"}.items()
    assert (await stranger.post("/api/v1/logout", headers=bearer)).status_code == 204
    assert (await stranger.get("/api/v1/me", headers=bearer)).status_code == 401


async def test_wrong_credentials_say_nothing_about_which_is_wrong(
    stranger: httpx.AsyncClient,
) -> None:
    answers = [
        await stranger.post("/api/v1/login", json={"name": name, "password": "wrong wrong"})
        for name in ("op", "nobody")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["content-type"] == "application/problem+json"


async def test_a_refused_login_does_not_repeat_the_password(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post("/api/v1/login", json={"name": 7, "password": "s3cret-s3cret"})
    assert answer.status_code == 422
    assert "s3cret" not in answer.text
    assert answer.json()["errors"][0]["where"] == "body.name"


async def test_too_many_attempts_wait(stranger: httpx.AsyncClient) -> None:
    for _ in range(5):
        await stranger.post("/api/v1/login", json={"name": "op", "password": "wrong wrong"})
    answer = await stranger.post("/api/v1/login", json={"name": "op", "password": PASSWORD})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "300"
    assert answer.json()["type"] == "urn:gridwarden:problem:too-many-attempts"


@pytest.mark.parametrize(
    "path",
    ["/me", "/devices", "/devices/noise-01", "/alerts", "/cases", "/gateways", "/quarantine"],
)
async def test_nothing_is_told_to_a_stranger(stranger: httpx.AsyncClient, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Cookie": f"{COOKIE}=nonsense"}):
        answer = await stranger.get(f"/api/v1{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["type"] == "urn:gridwarden:problem:not-signed-in"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://city.example"}, 204),
        (HERE, 204),
        ({"X-Gridwarden": "1"}, 204),
    ],
)
async def test_with_a_cookie_only_our_own_pages_write(
    app: FastAPI, services: Services, headers: dict[str, str], status: int
) -> None:
    async with asgi(app) as client:
        client.cookies.set(COOKIE, token_of(services, "op"))
        answer = await client.post("/api/v1/logout", headers=headers)
    assert answer.status_code == status


async def test_another_site_cannot_sign_a_browser_in(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.post(
        "/api/v1/login",
        json={"name": "op", "password": PASSWORD},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_the_language_is_remembered(op: httpx.AsyncClient) -> None:
    answer = await op.put("/api/v1/me/language", json={"language": "en"})
    assert answer.json()["language"] == "en"
    assert (await op.get("/api/v1/me")).json()["language"] == "en"
    assert (await op.put("/api/v1/me/language", json={"language": "fr"})).status_code == 422
