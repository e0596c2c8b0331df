from __future__ import annotations

from typing import Any

import httpx
import pytest

from contract.clock import ManualClock
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import City


async def case_of(client: httpx.AsyncClient, device: str) -> dict[str, Any]:
    listed = (await client.get("/api/v1/cases", params={"device": device})).json()["items"][0]
    found: dict[str, Any] = (await client.get(f"/api/v1/cases/{listed['id']}")).json()
    return found


async def test_cases_and_filters(guest: httpx.AsyncClient) -> None:
    async def devices(**params: str) -> set[str]:
        answer = await guest.get("/api/v1/cases", params=params)
        return {case["device"] for case in answer.json()["items"]}

    assert await devices(open="false") == {"dust-02"}
    assert await devices(open="true") == {"noise-01", "dust-01", "water-01", "gas-01", "manhole-01"}
    assert await devices(state="handled") == {"gas-01"}
    assert await devices(state="handled", open="false") == set()
    assert await devices(kind="water") == {"water-01"}
    first = (await guest.get("/api/v1/cases", params={"limit": 4})).json()
    rest = (await guest.get("/api/v1/cases", params={"cursor": first["next"]})).json()
    assert len(first["items"]) + len(rest["items"]) == 6


async def test_one_case_with_its_trail_and_alerts(op: httpx.AsyncClient) -> None:
    case = await case_of(op, "gas-01")
    assert [event["step"] for event in case["trail"]] == [
        "open",
        "sensor normal",
        "dispatch",
        "handle",
    ]
    assert case["trail"][0]["by"] == ""
    assert case["trail"][3]["by"] == "op"
    assert case["state"] == "handled"
    assert case["sensor_normal_at"] is not None  # and yet it is not closed
    assert [alert["device"] for alert in case["alerts"]] == ["gas-01"]
    assert [step["step"] for step in case["next_steps"]] == ["verify", "rework"]
    assert case["next_steps"][0]["label"] == "核查"
    assert case["next_steps"][0]["note_en"] == "what was found on site"


async def test_next_steps_follow_the_role(
    guest: httpx.AsyncClient, op: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    offered = [
        [step["step"] for step in (await case_of(client, "noise-01"))["next_steps"]]
        for client in (guest, op, admin)
    ]
    assert offered == [[], ["dispatch", "void"], ["dispatch", "void", "supervise"]]


async def test_a_case_is_seen_through_to_closure(op: httpx.AsyncClient) -> None:
    case = await case_of(op, "noise-01")
    for step in ("dispatch", "handle", "verify", "close"):
        answer = await op.post(
            f"/api/v1/cases/{case['id']}/steps",
            json={"step": step, "version": case["version"], "note": "已办理"},
        )
        assert answer.status_code == 200, answer.text
        case = answer.json()
    assert case["state"] == "closed"
    assert case["closed_at"] is not None
    assert case["next_steps"] == []


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"version": 0}, 409, "it is version 1, not 0; load it again"),
        ({"step": "close"}, 409, "possible: dispatch, void, merge"),
        ({"step": "dance"}, 422, "allowed: accept, refuse, dispatch, return, secure, handle"),
        ({"step": "open"}, 422, "is nothing a person does"),
        ({"step": "supervise", "note": "尽快"}, 403, "takes the case role manager"),
        ({"version": "one"}, 422, "body.version"),
    ],
)
async def test_steps_that_are_refused(
    op: httpx.AsyncClient, change: dict[str, object], status: int, words: str
) -> None:
    case = await case_of(op, "noise-01")
    body = {"step": "dispatch", "version": case["version"], "note": "", **change}
    answer = await op.post(f"/api/v1/cases/{case['id']}/steps", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert (await case_of(op, "noise-01"))["version"] == case["version"]  # nothing half done


async def test_a_step_that_needs_a_note_says_what_it_must_say(op: httpx.AsyncClient) -> None:
    case = await case_of(op, "water-01")
    answer = await op.post(
        f"/api/v1/cases/{case['id']}/steps", json={"step": "handle", "version": case["version"]}
    )
    assert answer.status_code == 422
    assert answer.json()["detail"] == "'handle' needs a note: what was done"


async def test_a_viewer_takes_no_step(guest: httpx.AsyncClient) -> None:
    case = await case_of(guest, "noise-01")
    answer = await guest.post(
        f"/api/v1/cases/{case['id']}/steps", json={"step": "dispatch", "version": 1}
    )
    assert answer.status_code == 403


async def test_of_two_people_at_once_one_is_told(
    op: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    case = await case_of(op, "noise-01")
    body = {"step": "dispatch", "version": case["version"]}
    answers = [
        await client.post(f"/api/v1/cases/{case['id']}/steps", json=body) for client in (op, admin)
    ]
    assert [answer.status_code for answer in answers] == [200, 409]


async def test_a_case_past_its_due_time_is_overdue(
    guest: httpx.AsyncClient, clock: ManualClock
) -> None:
    assert (await case_of(guest, "manhole-01"))["overdue"] is False
    clock.advance_ms(3 * 3_600_000)
    assert (await case_of(guest, "manhole-01"))["overdue"] is True
    assert (await case_of(guest, "dust-02"))["overdue"] is False  # closed


async def test_a_repeat_is_attached_to_the_open_case(guest: httpx.AsyncClient, city: City) -> None:
    city.alert("gas.high", "gas-01", NOW_MS, 3.4)
    case = await case_of(guest, "gas-01")
    assert [alert["rule"] for alert in case["alerts"]] == ["gas.low", "gas.high"]
    assert case["sensor_normal_at"] is None


async def test_a_case_that_is_not_there(op: httpx.AsyncClient) -> None:
    assert (await op.get("/api/v1/cases/20000101-000001")).status_code == 404
