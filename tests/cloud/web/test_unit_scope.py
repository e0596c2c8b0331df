"""A handling unit's account touches its own unit's matters alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI

from cloud.alert_desk import Person
from cloud.cases import deliveries
from cloud.core.model import Role
from cloud.errors import ForbiddenError
from cloud.state import schema
from cloud.state.database import Database
from cloud.web import accounts
from cloud.web.console import actions
from cloud.web.services import Services
from tests.cloud.web.conftest import NOW_MS, asgi, token_of

OWN, OTHERS = "noise-01", "dust-01"
UNIT = "城市管理执法队"


@pytest.fixture
async def crew(app: FastAPI, services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """An operator of one handling unit."""
    with services.database.write() as connection:
        accounts.set_case_roles(connection, "op", "handler", UNIT, now_ms=NOW_MS)
    async with asgi(app, bearer=token_of(services, "op")) as client:
        yield client


def alert_of(database: Database, device: str) -> str:
    table = schema.alerts
    with database.read() as connection:
        query = sa.select(table.c.id).where(table.c.device == device, table.c.state == "UNACK")
        return str(connection.scalars(query).first())


def owned_by(database: Database, device: str, owner: str) -> None:
    table = schema.devices
    with database.write() as connection:
        connection.execute(sa.update(table).where(table.c.id == device).values(owner=owner))


def elsewhere(database: Database) -> str:
    """Make an alert another unit's, which is in none of the unit's cases, and return it."""
    alert, attached = alert_of(database, OWN), schema.case_alerts
    owned_by(database, OWN, "别的单位")
    with database.write() as connection:
        connection.execute(sa.delete(attached).where(attached.c.alert == alert))
    return alert


ACTS: dict[str, dict[str, object]] = {
    "acknowledge": {},
    "comment": {"text": "on my way"},
    "assign": {"to": "op"},
    "shelve": {"reason": "fair", "hours": 1},
    "unshelve": {},
}


@pytest.mark.parametrize("act", ACTS)
async def test_another_units_alert_is_refused_saying_whose_it_is(
    crew: httpx.AsyncClient, database: Database, act: str
) -> None:
    alert = elsewhere(database)
    refused = await crew.post(f"/api/v1/alerts/{alert}/{act}", json=ACTS[act])
    assert refused.status_code == 403
    assert f"is of 别的单位; op acts for {UNIT}" in refused.json()["detail"]
    assert (await crew.get(f"/api/v1/alerts/{alert}")).json()["state"] == "UNACK"


@pytest.mark.parametrize("act", [act for act in ACTS if act != "unshelve"])
async def test_its_own_alert_is_its_own(
    crew: httpx.AsyncClient, database: Database, act: str
) -> None:
    owned_by(database, OWN, UNIT)
    alert = alert_of(database, OWN)
    assert (await crew.post(f"/api/v1/alerts/{alert}/{act}", json=ACTS[act])).status_code == 200


async def test_evidence_in_its_case_is_its_own(crew: httpx.AsyncClient, database: Database) -> None:
    alert = elsewhere(database)
    with database.write() as connection:
        case = connection.scalar(sa.select(schema.cases.c.id).where(schema.cases.c.unit == UNIT))
        row = {"case": case, "alert": alert, "attached_ms": NOW_MS}
        columns = schema.case_alerts.c.keys()
        connection.execute(
            sa.insert(schema.case_alerts), [{k: v for k, v in row.items() if k in columns}]
        )
    assert (await crew.post(f"/api/v1/alerts/{alert}/acknowledge")).status_code == 200


async def test_everybody_else_acts_on_everything(op: httpx.AsyncClient, database: Database) -> None:
    alert = elsewhere(database)
    assert (await op.post(f"/api/v1/alerts/{alert}/acknowledge")).status_code == 200


async def test_the_console_refuses_it_too(
    crew: httpx.AsyncClient, services: Services, database: Database
) -> None:
    alert, token = elsewhere(database), token_of(services, "op")
    with pytest.raises(ForbiddenError, match="acts for"):
        actions.acknowledge(services, token, alert)
    seen: list[Person] = []
    actions.at_the_desk(services, token, lambda _, by: seen.append(by))
    assert (seen[0].scope.unit, seen[0].role) == (UNIT, Role.OPERATOR)


async def test_maintenance_is_of_its_own_devices_by_name(
    crew: httpx.AsyncClient, services: Services, database: Database
) -> None:
    owned_by(database, OWN, UNIT)
    owned_by(database, OTHERS, "别的单位")
    with database.write() as connection:
        table = schema.accounts
        connection.execute(sa.update(table).where(table.c.name == "op").values(role="manager"))
    window = {"until": "2026-09-22T03:00:00Z", "reason": "calibration"}
    for what, status in (({"device": OWN}, 201), ({"device": OTHERS}, 403), ({"rule": "x"}, 403)):
        answer = await crew.post("/api/v1/maintenance", json=window | what)
        assert (answer.status_code, what) == (status, what)


async def test_the_outbox_shows_its_own_cases_steps(
    crew: httpx.AsyncClient, op: httpx.AsyncClient, database: Database
) -> None:
    table, cases = schema.case_deliveries, schema.cases
    with database.write() as connection:
        connection.execute(sa.insert(schema.case_systems).values(name="grid", event=0))
        while deliveries.feed(connection, "grid", NOW_MS):
            pass
        connection.execute(sa.update(table).values(error="HTTP 422"))
        mine = set(connection.scalars(sa.select(cases.c.id).where(cases.c.unit == UNIT)))
        others = connection.scalar(sa.select(table.c.id).where(table.c.case.not_in(mine)))
    found = (await crew.get("/api/v1/outbox")).json()
    assert {each["case"] for each in found["items"]} <= mine
    assert sum(each["deliveries"] for each in found["systems"]) == len(found["items"]) > 0
    with database.write() as connection:
        connection.execute(sa.update(schema.accounts).values(role="manager"))
    assert (await crew.post(f"/api/v1/outbox/{others}/retry")).status_code == 404
    said = {"reason": "x"}
    assert (await crew.post(f"/api/v1/outbox/{others}/give-up", json=said)).status_code == 404
