from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from cloud.web.auth import COOKIE
from cloud.web.services import Services
from tests.cloud.web.conftest import asgi, token_of


@pytest.mark.parametrize("path", ["/healthz", "/login", "/api/v1/devices", "/", "/metrics"])
async def test_every_answer_has_its_headers(stranger: httpx.AsyncClient, path: str) -> None:
    headers = (await stranger.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


async def test_nothing_may_be_fetched_from_elsewhere(stranger: httpx.AsyncClient) -> None:
    console = (await stranger.get("/login")).headers["content-security-policy"]
    assert "default-src 'self'" in console
    assert "http" not in console
    api = (await stranger.get("/api/v1/me")).headers["content-security-policy"]
    assert api == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", "/login"),
        ("/cases/20261122-000017", "/login?next=%2Fcases%2F20261122-000017"),
        ("/alerts?show=all", "/login?next=%2Falerts%3Fshow%3Dall"),
        ("/loginx", "/login?next=%2Floginx"),
        ("/_nicegui_ws/socket.io/", "/login?next=%2F_nicegui_ws%2Fsocket.io%2F"),
    ],
)
async def test_the_console_is_closed_to_strangers(
    stranger: httpx.AsyncClient, path: str, target: str
) -> None:
    answer = await stranger.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == target


async def test_a_session_opens_the_console(app: FastAPI, services: Services) -> None:
    async with asgi(app) as client:
        client.cookies.set(COOKIE, token_of(services, "guest"))
        assert (await client.get("/anything")).status_code == 404  # there is none in this test


async def test_another_site_does_not_speak_to_the_console(app: FastAPI, services: Services) -> None:
    async with asgi(app) as client:
        client.cookies.set(COOKIE, token_of(services, "op"))
        polling = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"
        answer = await client.post(polling, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_static_files_may_be_kept_for_ever(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/static/console.css")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    for path in ("/static/nothing.css", "/static/%2e%2e/accounts.py", "/static/..%2faccounts.py"):
        missing = await stranger.get(path)
        assert missing.status_code == 404
        assert missing.headers["cache-control"] == "no-store"
    icon = await stranger.get("/favicon.ico")
    assert icon.headers["content-type"] == "image/svg+xml"


async def test_strange_methods_do_not_make_new_metrics(stranger: httpx.AsyncClient) -> None:
    await stranger.request("BREW", "/healthz")
    text = (await stranger.get("/metrics")).text
    assert 'method="other"' in text
    assert "BREW" not in text


async def test_a_cookie_that_is_none_is_nobodys(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/", headers={"Cookie": f'{COOKIE}="; =;;\x7f'})
    assert answer.status_code == 303
