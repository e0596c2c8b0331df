from __future__ import annotations

from typing import Any

import httpx
import pytest

from contract.clock import iso_utc
from tests.cloud.web.conftest import NOW_MS


async def alert_of(client: httpx.AsyncClient, device: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/api/v1/alerts?device={device}")).json()["items"][0]
    return found


async def test_an_operator_shelves_and_ends_it(
    op: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    alert = (await alert_of(op, "noise-01"))["id"]
    said = {"reason": "fair on the square", "hours": 2}
    assert (await guest.post(f"/api/v1/alerts/{alert}/shelve", json=said)).status_code == 403
    shelved = (await op.post(f"/api/v1/alerts/{alert}/shelve", json=said)).json()
    assert (shelved["state"], shelved["hold"]["reason"]) == ("SHLVD", "fair on the square")
    assert shelved["hold"]["made_by"] == "op"
    assert (await alert_of(guest, "noise-01"))["hold"]["kind"] == "shelved"
    again = await op.post(f"/api/v1/alerts/{alert}/shelve", json=said)
    assert again.status_code == 409
    assert "shelved already, by op" in again.json()["detail"]
    raised = (await op.post(f"/api/v1/alerts/{alert}/unshelve")).json()
    assert (raised["state"], raised["hold"]) == ("UNACK", None)
    assert [event["event"] for event in raised["events"]][-2:] == ["shelve", "exit, not normal"]


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({"reason": " ", "hours": 1}, 422, "needs a reason"),
        ({"reason": "x", "hours": 9}, 403, "operator may shelve for 8 h at most, not 9 h"),
        ({"reason": "x", "hours": 0}, 422, "hours"),
        ({"hours": 1}, 422, "reason"),
    ],
)
async def test_shelving_is_refused_with_the_reason(
    op: httpx.AsyncClient, said: dict[str, object], status: int, words: str
) -> None:
    alert = (await alert_of(op, "noise-01"))["id"]
    refused = await op.post(f"/api/v1/alerts/{alert}/shelve", json=said)
    assert (refused.status_code, words in refused.text) == (status, True)


async def test_assigning_and_commenting(op: httpx.AsyncClient) -> None:
    alert = (await alert_of(op, "noise-01"))["id"]
    given = await op.post(f"/api/v1/alerts/{alert}/assign", json={"to": "op"})
    assert given.json()["assignee"] == "op"
    nobody = await op.post(f"/api/v1/alerts/{alert}/assign", json={"to": "nobody"})
    assert (nobody.status_code, "no account 'nobody'" in nobody.text) == (422, True)
    said = await op.post(f"/api/v1/alerts/{alert}/comment", json={"text": "on my way"})
    assert said.json()["events"][-1]["note"] == "on my way"
    mine = (await op.get("/api/v1/alerts?assignee=op")).json()["items"]
    assert [each["id"] for each in mine] == [alert]


async def test_a_manager_plans_a_window_and_calls_it_off(
    admin: httpx.AsyncClient, op: httpx.AsyncClient
) -> None:
    window = {
        "device": "noise-01",
        "from": "2026-09-22T01:00:00Z",
        "until": "2026-09-22T03:00:00Z",
        "reason": "calibration",
    }
    assert (await op.post("/api/v1/maintenance", json=window)).status_code == 403
    made = await admin.post("/api/v1/maintenance", json=window)
    assert made.status_code == 201
    hold = made.json()
    assert (hold["kind"], hold["begun"], hold["until_at"]) == (
        "maintenance",
        False,
        "2026-09-22T03:00:00.000Z",
    )
    assert (await op.post(f"/api/v1/maintenance/{hold['id']}/end")).status_code == 403
    ended = await admin.post(f"/api/v1/maintenance/{hold['id']}/end")
    assert ended.json()["ended_by"] == "admin"
    assert (await admin.post(f"/api/v1/maintenance/{hold['id']}/end")).status_code == 409
    listed = (await op.get("/api/v1/maintenance?kind=maintenance&ended=true")).json()["items"]
    assert [each["id"] for each in listed] == [hold["id"]]


async def test_without_an_end_it_is_out_of_service(admin: httpx.AsyncClient) -> None:
    asked = {"tag": "site", "tag_value": "east", "reason": "rebuilt"}
    hold = (await admin.post("/api/v1/maintenance", json=asked)).json()
    assert (hold["kind"], hold["until_at"]) == ("service", None)
    assert hold["from_at"] == iso_utc(NOW_MS)
    bad = await admin.post("/api/v1/maintenance", json={"reason": "x"})
    assert (bad.status_code, "say what it is about" in bad.text) == (422, True)


async def test_no_flood_is_an_empty_list(guest: httpx.AsyncClient) -> None:
    assert (await guest.get("/api/v1/alerts/floods")).json() == {"items": [], "next": None}
