from __future__ import annotations

import httpx
import pytest

from cloud.web.auth import COOKIE
from cloud.web.services import Services
from cloud.web.signin import LANGUAGE_COOKIE, local_path
from tests.cloud.web.conftest import token_of
from tests.cloud.web.seed import PASSWORD

HERE = {"Origin": "http://city.example"}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/cases/20261122-000017?x=1", "/cases/20261122-000017?x=1"),
        ("/", "/"),
        ("", "/"),
        ("cases", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("\\\\evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("/\t/evil.example", "/"),
    ],
)
def test_after_signing_in_one_stays_on_this_site(target: str, path: str) -> None:
    assert local_path(target) == path


async def test_the_form_signs_in_and_goes_where_one_wanted_to(stranger: httpx.AsyncClient) -> None:
    form = {"name": " op ", "password": PASSWORD, "next": "/alerts?show=all"}
    answer = await stranger.post("/login", data=form, headers=HERE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/alerts?show=all"
    assert (await stranger.get("/api/v1/me")).json()["name"] == "op"


@pytest.mark.parametrize(
    ("form", "headers", "status", "words"),
    [
        ({"name": "op", "password": "wrong wrong"}, HERE, 401, "账号或密码不正确"),
        ({"name": "op", "password": "wrong wrong", "lang": "en"}, HERE, 401, "The name or"),
        ({}, HERE, 401, "账号或密码不正确"),
        (
            {"name": "op", "password": PASSWORD},
            {"Origin": "https://evil.example"},
            403,
            "请在本页登录",
        ),
    ],
)
async def test_what_does_not_sign_in_says_why(
    stranger: httpx.AsyncClient,
    form: dict[str, str],
    headers: dict[str, str],
    status: int,
    words: str,
) -> None:
    answer = await stranger.post("/login", data=form, headers=headers)
    assert answer.status_code == status
    assert words in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")


async def test_waiting_is_told_in_seconds(stranger: httpx.AsyncClient) -> None:
    for _ in range(5):
        await stranger.post("/login", data={"name": "op", "password": "wrong"}, headers=HERE)
    answer = await stranger.post("/login", data={"name": "op", "password": PASSWORD}, headers=HERE)
    assert answer.status_code == 429
    assert "300 秒" in answer.text


async def test_the_form_escapes_what_came_with_the_address(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in answer.text


async def test_the_language_is_that_asked_for_then_remembered_then_chinese(
    stranger: httpx.AsyncClient,
) -> None:
    assert 'lang="zh-CN"' in (await stranger.get("/login")).text
    assert 'lang="en"' in (await stranger.get("/login?lang=en")).text
    assert 'lang="zh-CN"' in (await stranger.get("/login?lang=xx")).text
    stranger.cookies.set(LANGUAGE_COOKIE, "en")
    assert 'lang="en"' in (await stranger.get("/login")).text


async def test_a_choice_at_the_door_is_the_accounts_and_no_choice_changes_nothing(
    stranger: httpx.AsyncClient,
) -> None:
    form = {"name": "op", "password": PASSWORD}
    await stranger.post("/login", data={**form, "lang": "en"}, headers=HERE)
    assert (await stranger.get("/api/v1/me")).json()["language"] == "en"
    await stranger.post("/login", data=form, headers=HERE)
    assert (await stranger.get("/api/v1/me")).json()["language"] == "en"


async def test_changing_the_language_inside(
    stranger: httpx.AsyncClient, services: Services
) -> None:
    stranger.cookies.set(COOKIE, token_of(services, "op"))
    form = {"lang": "en", "next": "/cases"}
    answer = await stranger.post("/language", data=form, headers=HERE)
    assert answer.headers["location"] == "/cases"
    assert (await stranger.get("/api/v1/me")).json()["language"] == "en"


async def test_signing_out_ends_the_session(
    stranger: httpx.AsyncClient, services: Services
) -> None:
    token = token_of(services, "op")
    stranger.cookies.set(COOKIE, token)
    from_elsewhere = {"Origin": "https://evil.example"}
    await stranger.post("/logout", headers=from_elsewhere)
    assert (await stranger.get("/api/v1/me")).status_code == 200
    answer = await stranger.post("/logout", headers=HERE)
    assert answer.headers["location"] == "/login"
    stranger.cookies.set(COOKIE, token)
    assert (await stranger.get("/api/v1/me")).status_code == 401
