from __future__ import annotations

import httpx

from cloud.state import schema
from cloud.state.database import Database
from cloud.web.queries.quarantine import printable
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import GATEWAY


async def test_a_gateway_with_its_state_and_completeness(guest: httpx.AsyncClient) -> None:
    found = (await guest.get("/api/v1/gateways")).json()
    assert len(found) == 1
    assert found[0]["id"] == GATEWAY
    assert found[0]["online"] is True
    assert found[0]["devices"] == 10
    assert found[0]["health"] == {"buffer_bytes": 18432.0}
    assert found[0]["completeness"] == {
        "due": 7200,
        "arrived": 7200,
        "given_up": 0,
        "missing": 0,
        "readings": 201_600,
        "readings_given_up": 0,
    }


async def test_every_hole_is_counted_and_explained(
    guest: httpx.AsyncClient, database: Database
) -> None:
    """1..10 arrived, 11..14 were given up, 15..16 are missing, 17..20 arrived: 20 were due."""
    with database.write() as connection:
        connection.execute(
            schema.epochs.insert().values(
                gateway=GATEWAY,
                epoch="0badcafe",
                readings=140,
                first_ms=NOW_MS,
                last_ms=NOW_MS,
            )
        )
        connection.execute(
            schema.epoch_intervals.insert(),
            [
                {"gateway": GATEWAY, "epoch": "0badcafe", "first_seq": first, "last_seq": last}
                for first, last in ((1, 14), (17, 20))
            ],
        )
        connection.execute(
            schema.gaps.insert().values(
                gateway=GATEWAY,
                epoch="0badcafe",
                first_seq=11,
                last_seq=14,
                first_ms=NOW_MS - 5_000,
                last_ms=NOW_MS - 1_000,
                readings=40,
                reason="buffer full",
                recorded_ms=NOW_MS,
            )
        )
    found = (await guest.get(f"/api/v1/gateways/{GATEWAY}")).json()
    assert found["completeness"] == {
        "due": 7220,
        "arrived": 7214,
        "given_up": 4,
        "missing": 2,
        "readings": 201_740,
        "readings_given_up": 40,
    }
    epoch = found["epochs"][0]
    assert epoch["intervals"] == [{"first": 1, "last": 14}, {"first": 17, "last": 20}]
    assert epoch["missing"] == [{"first": 15, "last": 16}]
    assert found["gaps"][0]["reason"] == "buffer full"
    assert (await guest.get("/api/v1/gateways/nowhere")).status_code == 404


async def test_quarantine_is_for_operators(
    guest: httpx.AsyncClient, op: httpx.AsyncClient, database: Database
) -> None:
    with database.write() as connection:
        for number in range(3):
            connection.execute(
                schema.quarantine.insert().values(
                    received_ms=NOW_MS,
                    gateway=GATEWAY,
                    topic="gw/v1/07/demo-cabinet/data",
                    record=number,
                    name="noise-01:loudness",
                    reason="unknown quantity",
                    sample=b'{"n":\xff\x00<script>',
                )
            )
    assert (await guest.get("/api/v1/quarantine")).status_code == 403
    first = (await op.get("/api/v1/quarantine", params={"limit": 2})).json()
    assert [row["record"] for row in first["items"]] == [2, 1]
    assert first["items"][0]["sample"] == '{"n":\\xff\\x00<script>'
    rest = (await op.get("/api/v1/quarantine", params={"cursor": first["next"]})).json()
    assert [row["record"] for row in rest["items"]] == [0]
    other = (await op.get("/api/v1/quarantine", params={"gateway": "elsewhere"})).json()
    assert other["items"] == []
    bad = await op.get("/api/v1/quarantine", params={"cursor": "x"})
    assert bad.status_code == 400
    assert bad.json()["type"] == "urn:gridwarden:problem:bad-cursor"


def test_samples_are_printable() -> None:
    assert printable(b"ab\n\xe4") == "ab\\x0a\\xe4"
