from __future__ import annotations

import httpx

from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import City


async def test_alerts_the_latest_begun_first(guest: httpx.AsyncClient) -> None:
    found = (await guest.get("/api/v1/alerts", params={"open": "true"})).json()["items"]
    assert [alert["device"] for alert in found] == [
        "manhole-01",
        "noise-01",
        "gas-01",
        "dust-01",
        "water-01",
    ]
    assert [alert["state"] for alert in found] == ["UNACK", "UNACK", "RTNUN", "ACKED", "UNACK"]
    first = found[0]
    assert first["title"] == "井盖倾斜"
    assert first["title_en"] == "Cover tilted"
    assert (first["first_value"], first["limit"], first["unit"]) == (27.5, 10.0, "deg")
    assert first["device_name"] == "文化路雨水井盖"
    assert first["rule_source"] == "厂家默认 [S]"


async def test_filters_and_pages(guest: httpx.AsyncClient) -> None:
    async def devices(**params: str) -> list[str]:
        answer = await guest.get("/api/v1/alerts", params=params)
        return [alert["device"] for alert in answer.json()["items"]]

    assert await devices(open="false") == ["dust-02"]
    assert await devices(state="RTNUN") == ["gas-01"]
    assert await devices(state="NORM", open="true") == []
    assert await devices(kind="dust") == ["dust-01", "dust-02"]
    assert await devices(device="water-01") == ["water-01"]
    assert await devices(since="2026-09-21T14:00:00Z") == ["manhole-01", "noise-01"]
    first = (await guest.get("/api/v1/alerts", params={"limit": 4})).json()
    rest = (await guest.get("/api/v1/alerts", params={"cursor": first["next"]})).json()
    assert [alert["device"] for alert in rest["items"]] == ["water-01", "dust-02"]
    assert rest["next"] is None


async def test_alerts_by_how_they_came_to_be_known(
    guest: httpx.AsyncClient, database: Database
) -> None:
    async def devices(record: str) -> list[str]:
        answer = await guest.get("/api/v1/alerts", params={"record": record})
        return [alert["device"] for alert in answer.json()["items"]]

    with database.write() as connection:
        table = schema.alerts
        of = table.update().where
        connection.execute(of(table.c.device == "dust-01").values(historical=True))
        connection.execute(of(table.c.device == "dust-02").values(refuted_ms=NOW_MS))
    assert await devices("historical") == ["dust-01"]
    assert await devices("refuted") == ["dust-02"]
    assert len(await devices("live")) == 4


async def test_one_alert_with_its_history_and_cases(guest: httpx.AsyncClient) -> None:
    alert = (await guest.get("/api/v1/alerts?device=dust-02")).json()["items"][0]
    detail = (await guest.get(f"/api/v1/alerts/{alert['id']}")).json()
    assert [(event["event"], event["to_state"]) for event in detail["events"]] == [
        ("condition", "UNACK"),
        ("return", "RTNUN"),
        ("acknowledge", "NORM"),
    ]
    assert detail["events"][2]["by"] == "op"
    assert len(detail["cases"]) == 1


async def test_an_operator_acknowledges_once(
    op: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    alert = (await op.get("/api/v1/alerts?device=noise-01")).json()["items"][0]["id"]
    refused = await guest.post(f"/api/v1/alerts/{alert}/acknowledge")
    assert refused.status_code == 403
    assert refused.json()["detail"] == "this takes the role operator; guest has viewer"
    done = await op.post(f"/api/v1/alerts/{alert}/acknowledge", json={"note": "已派人"})
    assert done.status_code == 200
    assert done.json()["state"] == "ACKED"
    assert done.json()["acknowledged_by"] == "op"
    assert done.json()["events"][-1]["note"] == "已派人"
    again = await op.post(f"/api/v1/alerts/{alert}/acknowledge")
    assert again.status_code == 409
    assert "it can be acknowledged in UNACK, RTNUN" in again.json()["detail"]


async def test_acknowledging_what_has_returned_ends_it(op: httpx.AsyncClient) -> None:
    alert = (await op.get("/api/v1/alerts?state=RTNUN")).json()["items"][0]["id"]
    done = (await op.post(f"/api/v1/alerts/{alert}/acknowledge")).json()
    assert done["state"] == "NORM"
    assert done["ended_at"] is not None


async def test_an_alert_that_is_not_there(op: httpx.AsyncClient) -> None:
    assert (await op.get("/api/v1/alerts/nothing")).status_code == 404
    assert (await op.post("/api/v1/alerts/nothing/acknowledge")).status_code == 404


async def test_a_new_alert_is_listed_at_once(op: httpx.AsyncClient, city: City) -> None:
    city.alert("gas.high", "gas-02", NOW_MS, 3.4)
    newest = (await op.get("/api/v1/alerts?limit=1")).json()["items"][0]
    assert newest["device"] == "gas-02"
