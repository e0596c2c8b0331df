from __future__ import annotations

import json

import pytest

from cloud.core.case_message import Message, Status, Theirs
from cloud.core.cloud_events import decode_status, encode
from contract.errors import DecodeError

MESSAGE = Message(
    id="20260922-000001.7",
    case="20260922-000001",
    step="sensor normal",
    from_state="opened",
    to_state="opened",
    is_open=True,
    by="",
    note="",
    at_ms=1_790_042_400_000,
    title="夜间噪声超标",
    title_en="Too loud at night",
    asset="GR-1",
    category="05-08",
    kind="noise",
    device="noise-1",
    severity="medium",
    unit="文化路街道办",
    opened_ms=1_790_042_400_000,
    due_ms=None,
    closed_ms=None,
    latitude=34.7,
    longitude=113.6,
    address="",
    alerts=("A1",),
)
STATUS = {
    "specversion": "1.0",
    "id": "s1",
    "source": "urn:them",
    "type": "gridwarden.case.status",
    "subject": "20260922-000001",
    "time": "2026-09-22T10:00:00+08:00",
    "data": {"status": "closed", "note": "done", "remote": "77"},
}


def test_a_step_has_what_cloud_events_require() -> None:
    event = json.loads(encode(MESSAGE, "urn:gridwarden"))
    assert event["specversion"] == "1.0"
    assert event["id"] == MESSAGE.id
    assert event["source"] == "urn:gridwarden"
    assert event["type"] == "gridwarden.case.sensor_normal"
    assert event["subject"] == MESSAGE.case
    assert event["time"] == "2026-09-22T02:00:00.000Z"
    assert event["data"]["status"] == "open"
    assert event["data"]["title"] == "夜间噪声超标"
    assert event["data"]["place"] == {"latitude": 34.7, "longitude": 113.6, "address": ""}
    assert event["data"]["alerts"] == ["A1"]


def test_a_status_is_read() -> None:
    assert decode_status(json.dumps(STATUS).encode()) == Theirs(
        remote="77",
        status=Status.CLOSED,
        case="20260922-000001",
        note="done",
        updated_ms=1_790_042_400_000,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"specversion": "0.3"}, "specversion '0.3'; allowed: 1.0"),
        ({"type": "x"}, "type 'x'; allowed: gridwarden.case.status"),
        ({"time": "2026-09-22T10:00:00"}, "has no UTC offset"),
        ({"data": {"status": "gone"}}, r"Invalid enum value 'gone' - at `\$.data.status`"),
        ({"subject": None}, "Expected `str`"),
    ],
)
def test_what_is_no_status_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        decode_status(json.dumps({**STATUS, **change}).encode())
