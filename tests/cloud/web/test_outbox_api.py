from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from cloud.cases import deliveries, links
from cloud.cases.deliveries import State
from cloud.core import signing
from cloud.state import schema
from cloud.state.database import Database
from cloud.web.app import create_app
from cloud.web.services import Services
from tests.cloud.web.conftest import NOW_MS, asgi

SECRET = "a secret of thirty-two characters"


@pytest.fixture
def refused(database: Database) -> list[int]:
    """Two steps of one case of the city, of which the first was refused."""
    with database.write() as connection:
        connection.execute(sa.insert(schema.case_systems).values(name="grid", event=0))
        deliveries.feed(connection, "grid", NOW_MS)
        case = connection.scalar(
            sa.select(schema.case_events.c.case).where(schema.case_events.c.step == "dispatch")
        )
        table = schema.case_deliveries
        connection.execute(sa.delete(table).where(table.c.case != case))
        found = deliveries.due(connection, "grid", NOW_MS)
        assert found is not None
        claimed = deliveries.claim(connection, found, NOW_MS + 1)
        assert claimed is not None
        deliveries.finish(connection, claimed, State.DEAD, NOW_MS, "HTTP 422: unknown category")
        return list(connection.scalars(sa.select(table.c.id).order_by(table.c.id)))


async def test_what_was_refused_is_shown(guest: httpx.AsyncClient, refused: list[int]) -> None:
    found = (await guest.get("/api/v1/outbox")).json()
    assert [(each["state"], each["deliveries"]) for each in found["systems"]] == [
        ("dead", 1),
        ("waiting", len(refused) - 1),
    ]
    (item,) = found["items"]
    assert (item["id"], item["step"], item["attempts"]) == (refused[0], "open", 1)
    assert item["error"] == "HTTP 422: unknown category"


async def test_it_is_tried_again(
    admin: httpx.AsyncClient, refused: list[int], database: Database
) -> None:
    answer = await admin.post(f"/api/v1/outbox/{refused[0]}/retry")
    assert (answer.json()["state"], answer.json()["by"]) == ("waiting", "admin")
    with database.read() as connection:
        audit = schema.audit
        notes = connection.scalars(
            sa.select(audit.c.note).where(audit.c.action == "case_delivery.retried")
        ).all()
    assert notes == ["HTTP 422: unknown category"]


async def test_it_is_given_up(admin: httpx.AsyncClient, refused: list[int]) -> None:
    answer = await admin.post(f"/api/v1/outbox/{refused[0]}/give-up", json={"reason": "no such"})
    assert [each["id"] for each in answer.json()] == refused
    assert {each["state"] for each in answer.json()} == {"given up"}
    again = await admin.post(f"/api/v1/outbox/{refused[0]}/retry")
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("999/retry", None, 404),
        ("1/give-up", {"reason": ""}, 422),
        ("1/give-up", {"reason": "  "}, 422),
        ("x/retry", None, 422),
    ],
)
async def test_what_cannot_be(
    admin: httpx.AsyncClient, refused: list[int], path: str, body: object, status: int
) -> None:
    path = path.replace("1/", f"{refused[0]}/")
    assert (await admin.post(f"/api/v1/outbox/{path}", json=body)).status_code == status


async def test_it_takes_a_manager(op: httpx.AsyncClient, refused: list[int]) -> None:
    assert (await op.post(f"/api/v1/outbox/{refused[0]}/retry")).status_code == 403


# --- callbacks ---------------------------------------------------------------------------------


@pytest.fixture
def with_callbacks(services: Services, database: Database) -> FastAPI:
    with database.write() as connection:
        case = connection.scalar(sa.select(sa.func.min(schema.cases.c.id)))
        links.link_of(connection, "grid", str(case), NOW_MS)
    return create_app(replace(services, callback_secrets={"grid": SECRET}), console=False)


async def test_a_callback_needs_its_signature_and_no_session(
    with_callbacks: FastAPI, database: Database
) -> None:
    with database.read() as connection:
        case = connection.scalar(sa.select(sa.func.min(schema.cases.c.id)))
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "urn:grid",
        "type": "gridwarden.case.status",
        "subject": case,
        "time": "2026-09-21T14:13:20Z",
        "data": {"status": "closed"},
    }
    body = json.dumps(event).encode()
    headers = signing.sign(SECRET, "m1", NOW_MS, body)
    async with asgi(with_callbacks) as client:
        statuses = [
            (await client.post("/callbacks/grid", content=body, headers=headers)).status_code,
            (await client.post("/callbacks/grid", content=body, headers=headers)).status_code,
            (
                await client.post("/callbacks/grid", content=body + b" ", headers=headers)
            ).status_code,
            (await client.post("/callbacks/nobody", content=body, headers=headers)).status_code,
        ]
        nonsense = await client.post(
            "/callbacks/grid", content=b"{}", headers=signing.sign(SECRET, "m2", NOW_MS, b"{}")
        )
    assert statuses == [202, 200, 401, 404]
    assert nonsense.status_code == 422
    assert "specversion" in nonsense.json()["detail"]
