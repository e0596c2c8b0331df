from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from cloud.cases import callbacks, ledger, links
from cloud.core import signing
from cloud.core.case_message import Told
from cloud.core.case_steps import Step
from cloud.core.gate import GatePolicy, decide
from cloud.core.model import Device
from cloud.core.signing import BadSignatureError
from cloud.errors import InvalidError, NotFoundError
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.cases.told_cases import SHANGHAI, alert_of

NOW_MS = 1_790_042_400_000
SECRET = "a secret of thirty-two characters"


@pytest.fixture
def case(database: Database) -> str:
    alert = alert_of(database, 1, NOW_MS)
    device = Device(id=alert.device, kind="noise", asset="GR-1")
    decision = decide(alert.severity, "05-08", device, NOW_MS, GatePolicy())
    with database.write() as connection:
        found = ledger.open_or_attach(connection, alert, decision, NOW_MS, SHANGHAI)
        links.link_of(connection, "hook", found, NOW_MS)
        links.remember(connection, "hook", found, Told(remote=found))
    return found


def body_of(case: str, status: str = "closed", time: str = "2026-09-22T02:00:00Z") -> bytes:
    event = {
        "specversion": "1.0",
        "id": "s1",
        "source": "urn:them",
        "type": "gridwarden.case.status",
        "subject": case,
        "time": time,
        "data": {"status": status, "note": "done"},
    }
    return json.dumps(event).encode()


def take(
    database: Database, body: bytes, message: str = "m1", *, secret: str = SECRET, late_ms: int = 0
) -> bool:
    headers = signing.sign(secret, message, NOW_MS, body)
    with database.write() as connection:
        return callbacks.take(connection, "hook", SECRET, headers, body, NOW_MS + late_ms)


def trail(database: Database, case: str) -> list[tuple[Step, str]]:
    with database.read() as connection:
        return [(e.step, e.note) for e in ledger.get_case(connection, case).trail[1:]]


def test_a_status_is_noted_and_closes_nothing(database: Database, case: str) -> None:
    assert take(database, body_of(case))
    assert trail(database, case) == [(Step.ELSEWHERE, "hook: closed: done")]
    with database.read() as connection:
        assert ledger.get_case(connection, case).case.closed_ms is None


def test_a_message_is_taken_once(database: Database, case: str) -> None:
    assert take(database, body_of(case))
    assert not take(database, body_of(case), late_ms=1_000)
    assert len(trail(database, case)) == 1


def test_a_replay_after_the_id_is_forgotten_is_too_old(database: Database, case: str) -> None:
    take(database, body_of(case))
    with pytest.raises(BadSignatureError, match="minutes from our clock"):
        take(database, body_of(case), late_ms=callbacks.KEPT_MS + 1)


def test_a_late_status_does_not_overtake(database: Database, case: str) -> None:
    take(database, body_of(case, "closed"), "m2")
    take(database, body_of(case, "open", "2026-09-22T01:00:00Z"), "m1")
    assert trail(database, case) == [(Step.ELSEWHERE, "hook: closed: done")]


def test_another_secret_is_refused(database: Database, case: str) -> None:
    with pytest.raises(BadSignatureError, match="is not that of this body"):
        take(database, body_of(case), secret="guess")


@pytest.mark.parametrize(
    ("body", "error"), [(b"{}", InvalidError), (body_of("20260101-000009"), NotFoundError)]
)
def test_what_cannot_be_taken_may_come_again(
    database: Database, case: str, body: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        take(database, body)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.case_callbacks)) == 0
    assert take(database, body_of(case))
