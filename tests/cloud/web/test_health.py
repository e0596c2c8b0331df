from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from cloud.cases.file_store import FileStore
from cloud.series.lake import LakeStore
from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from cloud.web.app import create_app
from cloud.web.services import Services
from contract.clock import ManualClock, SystemClock
from tests.cloud.web.conftest import asgi, token_of
from tests.cloud.web.seed import RULES, ZONE


async def test_alive_and_ready(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/healthz")).json() == {"status": "alive"}
    ready = await stranger.get("/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ready",
        "checks": {"database": "ready", "schema": "ready", "series": "ready"},
        "figures": {
            "history_devices": 0,
            "history_lag_s": 0.0,
            "last_commit_age_s": 0.0,
            "watermark_lag_s": 30.0,
            "start_rest_s": 60.0,
        },
    }


async def test_what_the_historical_pass_has_to_do_is_told_and_no_reason_to_be_unready(
    stranger: httpx.AsyncClient, database: Database, clock: ManualClock
) -> None:
    with database.write() as connection:
        rows = [
            {"device": "noise-01", "from_ms": 1, "queued_ms": clock.now_ms() - 90_000},
            {"device": "noise-02", "from_ms": 1, "queued_ms": clock.now_ms() - 30_000},
        ]
        connection.execute(schema.hindsight.insert(), rows)
    ready = await stranger.get("/readyz")
    assert ready.status_code == 200
    figures = ready.json()["figures"]
    assert (figures["history_devices"], figures["history_lag_s"]) == (2, 90.0)


async def test_not_ready_before_the_schema_is_there(tmp_path: Path, clock: ManualClock) -> None:
    empty = Database(sqlite_url(tmp_path / "empty.sqlite"))
    try:
        answer = await _readyz(empty, tmp_path, clock)
    finally:
        empty.close()
    assert answer.status_code == 503
    assert "missing tables: account" in answer.json()["checks"]["schema"]


async def test_not_ready_without_a_database(tmp_path: Path, clock: ManualClock) -> None:
    nowhere = Database(sqlite_url(tmp_path / "no folder" / "state.sqlite"))
    answer = await _readyz(nowhere, tmp_path, clock)
    assert answer.status_code == 503
    assert "unable to open database file" in answer.json()["checks"]["database"]
    async with asgi(_app(nowhere, tmp_path, clock)) as client:
        assert (await client.get("/healthz")).status_code == 200


async def _readyz(database: Database, folder: Path, clock: ManualClock) -> httpx.Response:
    async with asgi(_app(database, folder, clock)) as client:
        return await client.get("/readyz")


def _app(database: Database, folder: Path, clock: ManualClock) -> FastAPI:
    return create_app(
        Services(
            database=database,
            series_store=LakeStore(database, folder / "lake", SystemClock()),
            files=FileStore(folder / "files"),
            rules=RULES,
            clock=clock,
            timezone=ZONE,
        ),
        console=False,
    )


async def test_metrics(stranger: httpx.AsyncClient, database: Database) -> None:
    with database.write() as connection:
        connection.execute(schema.counters.insert().values(name="readings_stored", value=43_210))
    await stranger.get("/api/v1/devices")
    answer = await stranger.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert found["gridwarden_readings_stored_total",] == 43_210
    assert found["gridwarden_gateways", ("online", "true")] == 1
    assert found["gridwarden_gateways", ("online", "false")] == 0
    assert found["gridwarden_alerts", ("state", "UNACK")] == 3
    assert found["gridwarden_alerts", ("state", "RTNUN")] == 1
    assert found["gridwarden_alerts", ("state", "SHLVD")] == 0
    assert found["gridwarden_cases_open", ("state", "handled")] == 1
    assert found["gridwarden_cases_singled_out",] == 0
    assert found["gridwarden_gate_waiting", ("why", "flood")] == 0
    assert found["gridwarden_gate_decided", ("state", "refused")] == 0
    assert found["gridwarden_gate_oldest_seconds",] == 0
    assert found["gridwarden_case_messages_rejected",] == 0
    assert found["gridwarden_devices",] == 10
    assert found["gridwarden_hot_blocks",] == 12
    assert found["gridwarden_outbox_waiting",] > 0
    assert found["gridwarden_watching",] == 0
    assert found["gridwarden_history_devices",] == 0
    assert found["gridwarden_watermark_lag_seconds",] == 30
    assert found["gridwarden_last_commit_age_seconds",] >= 0
    refused = ("gridwarden_http_requests_total", ("area", "api"), ("method", "GET"))
    assert found[*refused, ("status", "401")] == 1
    assert not any("cases_2026" in name for name, *_ in found)  # numbers things, counts nothing


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.7", {}, 401),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),  # through a proxy
        ("127.0.0.1", {"Forwarded": "for=10.0.0.7"}, 401),
        ("nonsense", {}, 401),
    ],
)
async def test_other_machines_need_a_token_for_metrics(
    app: FastAPI, services: Services, address: str, headers: dict[str, str], status: int
) -> None:
    async with asgi(app, address=address) as client:
        assert (await client.get("/metrics", headers=headers)).status_code == status
    async with asgi(app, address=address, bearer=token_of(services, "guest")) as client:
        assert (await client.get("/metrics", headers=headers)).status_code == 200
