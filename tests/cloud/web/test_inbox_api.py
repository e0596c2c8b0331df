from __future__ import annotations

import httpx
import sqlalchemy as sa

from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.web.conftest import NOW_MS


def wait(database: Database, device: str, sender: str, *measurements: str) -> None:
    with database.write() as connection:
        connection.execute(
            schema.inbox.insert().values(
                device=device,
                sender=sender,
                state="waiting",
                first_ms=NOW_MS - 60_000,
                last_ms=NOW_MS,
                readings=12,
                dropped=0,
                measurements=list(measurements),
                decided_by="",
            )
        )


async def test_what_waits_is_listed_and_a_manager_decides(
    guest: httpx.AsyncClient, op: httpx.AsyncClient, admin: httpx.AsyncClient, database: Database
) -> None:
    wait(database, "noise-07", "demo-cabinet", "noise_laeq")
    wait(database, "what-01", "", "battery")
    found = (await guest.get("/api/v1/inbox")).json()
    assert [(row["device"], row["gateway"], row["kind"], row["readings"]) for row in found] == [
        ("noise-07", "demo-cabinet", "noise", 12),
        ("what-01", "", "", 12),
    ]
    assert (await op.post("/api/v1/inbox/noise-07/adopt")).status_code == 403
    assert (await admin.post("/api/v1/inbox/noise-07/adopt")).status_code == 202
    assert (await admin.post("/api/v1/inbox/noise-07/refuse")).status_code == 409
    assert (await admin.post("/api/v1/inbox/what-01/adopt")).status_code == 422
    body = {"kind": "manhole", "name": "井盖", "period_s": 600}
    assert (await admin.post("/api/v1/inbox/what-01/adopt", json=body)).status_code == 202
    assert (await admin.post("/api/v1/inbox/none/refuse")).status_code == 404
    with database.read() as connection:
        audit = schema.audit.c
        told = connection.scalars(sa.select(audit.who).where(audit.action == "device.adopted"))
        assert told.all() == ["admin", "admin"]
    states = {row["device"]: row["state"] for row in (await guest.get("/api/v1/inbox")).json()}
    assert states == {"noise-07": "adopting", "what-01": "adopting"}


async def test_how_complete_a_device_is(guest: httpx.AsyncClient) -> None:
    """Seeded: a reading every five seconds of a period of one, for two hours."""
    found = (await guest.get("/api/v1/devices/noise-01/completeness")).json()
    assert (found["device"], len(found["days"])) == ("noise-01", 7)
    total = found["total"]
    assert total["arrived"] == 3 * 1440
    assert total["missing"] == total["unexplained"] > 4 * 3 * 1400
    address = "/api/v1/devices/noise-01/completeness"
    late = await guest.get(address, params={"from": "2020-01-01T00:00:00Z"})
    assert late.json()["type"] == "urn:gridwarden:problem:bad-range"
    assert (await guest.get("/api/v1/devices/nothing/completeness")).status_code == 404
