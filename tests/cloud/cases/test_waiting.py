from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest

from cloud.cases import CASE_SYSTEMS, ledger, release, waiting
from cloud.cases.outbox import drain
from cloud.core.gate import Gate, GatePolicy
from cloud.core.model import Severity
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from cloud.state.database import Database
from tests.cloud.alert_kit import SERIES_B, SERIES_GAS, T0_MS, began, ended, fill
from tests.cloud.cases.case_kit import CREW, DESK, HOUR_MS, POLICY, SHANGHAI, say

NOW_MS = T0_MS + 20_000  # 10:00 in Shanghai, ten seconds after the alert
MEDIUM = frozenset({Severity.MEDIUM})


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def run(database: Database, gate: Gate, now_ms: int = NOW_MS) -> tuple[list[str], dict[str, int]]:
    """Let the gate work; return the open cases' assets, and what waits."""
    policy = replace(POLICY, gate=gate)
    system = CASE_SYSTEMS["ledger"](SHANGHAI, policy)
    drain(database, system, policy, now_ms)
    release.release(database, system, policy, now_ms)
    with database.read() as connection:
        found = sorted(case.asset for case in ledger.list_cases(connection).cases)
        return found, waiting.count(connection)


def confirm(database: Database, alert: str, *, opens: bool, note: str = "") -> str:
    with database.write() as connection:
        return release.confirm(
            connection,
            alert,
            DESK,
            opens=opens,
            note=note,
            now_ms=NOW_MS,
            zone=SHANGHAI,
            policy=GatePolicy(gate=Gate(confirm=MEDIUM)),
        )


def test_what_takes_a_person_waits_for_one(filled: Database) -> None:
    alert = say(filled, began(0))
    gate = Gate(confirm=MEDIUM)
    assert run(filled, gate) == ([], {"confirm": 1})
    assert run(filled, gate, NOW_MS + 48 * HOUR_MS) == ([], {"confirm": 1})
    case = confirm(filled, alert.id, opens=True)
    assert run(filled, gate) == (["GR-1"], {})
    with filled.read() as connection:
        assert ledger.get_case(connection, case).alerts[0].id == alert.id
    with pytest.raises(ConflictError, match="decided on: passed"):
        confirm(filled, alert.id, opens=True)


def test_a_person_may_refuse_with_a_reason(filled: Database) -> None:
    alert = say(filled, began(0))
    run(filled, Gate(confirm_categories=frozenset({"05-08"})))
    with pytest.raises(InvalidError, match="needs a note"):
        confirm(filled, alert.id, opens=False)
    assert confirm(filled, alert.id, opens=False, note="a fair") == ""
    with filled.read() as connection:
        assert waiting.listed(connection) == []
    with pytest.raises(NotFoundError, match="does not wait"):
        confirm(filled, "x", opens=True)
    with filled.write() as connection, pytest.raises(ForbiddenError, match="acceptor"):
        waiting.decide(connection, alert.id, CREW, opens=True, note="", now_ms=NOW_MS)


def test_what_must_last_is_a_case_when_it_has(filled: Database) -> None:
    say(filled, began(0))
    gate = Gate(lasting_s={Severity.MEDIUM: 300})
    assert run(filled, gate) == ([], {"lasting": 1})
    assert run(filled, gate, T0_MS + 299_999) == ([], {"lasting": 1})
    assert run(filled, gate, T0_MS + 300_000) == (["GR-1"], {})


def test_what_did_not_last_is_none(filled: Database) -> None:
    say(filled, began(0))
    gate = Gate(lasting_s={Severity.MEDIUM: 300})
    run(filled, gate)
    say(filled, ended(60))
    assert run(filled, gate, T0_MS + 400_000) == ([], {})


def test_what_comes_at_night_waits_for_the_morning(filled: Database) -> None:
    say(filled, began(0))
    gate = Gate(hours=(time(12), time(18)))
    assert run(filled, gate) == ([], {"hours": 1})
    assert run(filled, gate, NOW_MS + 2 * HOUR_MS) == (["GR-1"], {})


def test_a_flood_queues_and_nothing_is_lost(filled: Database) -> None:
    gate = Gate(most=1, within_s=600)
    say(filled, began(0))
    say(filled, began(1, series=SERIES_GAS))
    assert run(filled, gate) == (["GR-1"], {"flood": 1})
    say(filled, began(2, series=SERIES_B))  # joins the open case: that is no flood
    say(filled, ended(3, series=SERIES_GAS))
    assert run(filled, gate) == (["GR-1"], {"flood": 1})
    assert run(filled, gate, NOW_MS + 600_001) == (["GR-1", "gas-1"], {})
    with filled.read() as connection:
        gas = ledger.list_cases(connection, device="gas-1").cases[0]
    assert gas.sensor_normal_ms is not None  # it was normal again before its turn came


def test_what_is_urgent_never_queues(filled: Database) -> None:
    gate = Gate(most=1, within_s=600)
    say(filled, began(0))
    say(filled, began(1, series=SERIES_GAS, rule="very-loud"))
    assert run(filled, gate) == (["GR-1", "gas-1"], {})
