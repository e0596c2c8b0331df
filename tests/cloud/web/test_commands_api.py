from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI

from cloud import commands
from cloud.core.commanding import State
from cloud.core.model import Role
from cloud.state.database import Database
from cloud.web import accounts
from cloud.web.services import Services
from contract.commands import ReadDone, Reply, Told
from tests.cloud.web.conftest import NOW_MS, asgi, token_of
from tests.cloud.web.seed import GATEWAY

COMMANDS = f"/api/v1/gateways/{GATEWAY}/commands"
READ = {"what": {"do": "read", "device": "noise-01"}}
CONFIGURE = {"what": {"do": "configure", "yaml": "gateway: x"}}


async def test_a_command_is_asked_and_read_until_it_is_answered(
    admin: httpx.AsyncClient, database: Database
) -> None:
    asked = await admin.post(COMMANDS, json=READ)
    assert asked.status_code == 202
    command = asked.json()
    assert (command["state"], command["by"], command["do"]) == ("waiting", "admin", "read")
    told = Told(measurement="noise_laeq", value=55.5, unit="dB", quality="N", observed_ms=NOW_MS)
    with database.write() as connection:
        reply = Reply(id=command["id"], at_ms=1, status="done", done=ReadDone(readings=(told,)))
        assert commands.take_reply(connection, GATEWAY, reply, NOW_MS)
    found = (await admin.get(f"{COMMANDS}/{command['id']}")).json()
    assert found["state"] == State.DONE
    assert found["done"][0]["readings"][0]["value"] == 55.5
    listed = (await admin.get(COMMANDS)).json()
    assert [each["id"] for each in listed] == [command["id"]]


async def test_roles(
    op: httpx.AsyncClient, guest: httpx.AsyncClient, app: FastAPI, services: Services
) -> None:
    for client in (op, guest):
        assert (await client.post(COMMANDS, json=READ)).status_code == 403
        assert (await client.get(COMMANDS)).status_code == 403
    with services.database.write() as connection:
        accounts.create_account(
            connection, "boss", "swordfish-swordfish", Role.MANAGER, now_ms=NOW_MS
        )
    async with asgi(app, bearer=token_of(services, "boss")) as manager:
        assert (await manager.post(COMMANDS, json=READ)).status_code == 202
        assert (await manager.post(COMMANDS, json=CONFIGURE)).status_code == 403


async def test_a_cookie_s_write_must_come_from_our_own_pages(
    app: FastAPI, services: Services
) -> None:
    async with asgi(app) as client:
        client.cookies.set("gridwarden_session", token_of(services, "admin"))
        assert (await client.post(COMMANDS, json=READ)).status_code == 403
        own = {"X-Gridwarden": "1"}
        assert (await client.post(COMMANDS, json=READ, headers=own)).status_code == 202


@pytest.mark.parametrize(
    "what",
    [
        {"do": "dance"},
        {"do": "read"},
        {"do": "read", "device": "../etc"},
        {"do": "read", "device": "noise-01", "more": 1},
        {"do": "write", "device": "noise-01", "point": "address", "value": None},
        {"do": "diagnose", "log_lines": 99_999},
        {"do": "configure", "yaml": ""},
    ],
)
async def test_what_is_no_command_is_invalid(
    admin: httpx.AsyncClient, what: dict[str, object]
) -> None:
    assert (await admin.post(COMMANDS, json={"what": what})).status_code == 422


async def test_what_is_not_there(admin: httpx.AsyncClient) -> None:
    assert (await admin.post("/api/v1/gateways/nobody/commands", json=READ)).status_code == 404
    assert (await admin.get(f"{COMMANDS}/{'0' * 32}")).status_code == 404
