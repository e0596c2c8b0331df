from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloud import alerts
from cloud.alerts import Alert
from cloud.cases import CASE_SYSTEMS, ledger
from cloud.cases.outbox import (
    FIRST_BACKOFF_MS,
    LONGEST_BACKOFF_MS,
    DrainReport,
    count_rejected,
    drain,
    rejected,
)
from cloud.core.case_steps import Step
from cloud.core.gate import Decision, GatePolicy
from cloud.core.model import ConditionEvent
from cloud.ports import CaseSystem
from cloud.state import schema
from cloud.state.database import Database
from contract.errors import RejectedError, StorageError, TransportError
from tests.cloud.alert_kit import RULES, SERIES_A, SERIES_B, SERIES_GAS, T0_MS, began, ended, fill

NOW_MS = T0_MS + 1_000_000
GATE = GatePolicy()
SHANGHAI = ZoneInfo("Asia/Shanghai")
LEDGER: CaseSystem = CASE_SYSTEMS["ledger"](SHANGHAI)


class Elsewhere:
    """A case system that keeps what it was told, and fails when `trouble` says so."""

    def __init__(self, trouble: Callable[[str], Exception | None]) -> None:
        self.told: list[str] = []
        self._trouble = trouble

    def raised(
        self, connection: sa.Connection, alert: Alert, decision: Decision, at_ms: int
    ) -> str:
        self._take(connection, alert.device, at_ms)
        return "elsewhere-1"

    def returned(self, connection: sa.Connection, alert: str, at_ms: int) -> None:
        self._take(connection, "returned", at_ms)

    def _take(self, connection: sa.Connection, what: str, at_ms: int) -> None:
        """Leave a trace in the transaction, then perhaps fail."""
        line = {"at_ms": at_ms, "who": "e", "action": "told", "subject": what, "note": ""}
        connection.execute(sa.insert(schema.audit), [line])
        if error := self._trouble(what):
            raise error
        self.told.append(what)


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def say(database: Database, *events: ConditionEvent) -> None:
    with database.write() as connection:
        alerts.apply(connection, events, RULES, NOW_MS)


def waiting(database: Database) -> list[tuple[int, int, str]]:
    """Return (attempts, milliseconds to wait, error) of what is not done."""
    table = schema.outbox
    with database.read() as connection:
        rows = connection.execute(
            sa.select(table).where(table.c.done_ms.is_(None)).order_by(table.c.id)
        )
        return [(row.attempts, max(row.next_attempt_ms - NOW_MS, 0), row.error) for row in rows]


def traces(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(schema.audit.c.subject)))


def test_what_was_raised_becomes_a_case_and_its_return_is_noted(filled: Database) -> None:
    say(filled, began(0), began(1, series=SERIES_B), ended(60), ended(61, series=SERIES_B))
    assert drain(filled, LEDGER, GATE, NOW_MS) == DrainReport(done=4)
    with filled.read() as connection:
        (case,) = ledger.list_cases(connection).cases
        trail = ledger.get_case(connection, case.id).trail
    assert (case.asset, case.unit, case.sensor_normal_ms) == ("GR-1", "文化路街道办", NOW_MS)
    assert [event.step for event in trail] == [Step.OPEN, Step.ATTACH, Step.SENSOR_NORMAL]
    assert drain(filled, LEDGER, GATE, NOW_MS) == DrainReport()


def test_the_gate_keeps_out_what_is_no_work(filled: Database) -> None:
    say(filled, began(0, rule="faint"), began(0, rule="no-case"))
    assert drain(filled, LEDGER, GATE, NOW_MS) == DrainReport(done=2)
    with filled.read() as connection:
        assert ledger.list_cases(connection).cases == []


def test_a_device_without_asset_or_owner(filled: Database) -> None:
    say(filled, began(0, series=SERIES_GAS))
    drain(filled, LEDGER, GATE, NOW_MS)
    with filled.read() as connection:
        (case,) = ledger.list_cases(connection).cases
    assert (case.asset, case.unit) == ("gas-1", "燃气公司")


def test_a_failure_backs_off_and_holds_up_only_its_own_key(filled: Database) -> None:
    say(filled, began(0), began(1, series=SERIES_B), ended(60))
    down = Elsewhere(lambda what: TransportError("no route") if what == "noise-1" else None)
    assert drain(filled, down, GATE, NOW_MS) == DrainReport(done=1, failed=1)
    assert down.told == ["noise-2"]
    assert waiting(filled) == [(1, FIRST_BACKOFF_MS, "no route"), (0, 0, "")]
    assert drain(filled, down, GATE, NOW_MS) == DrainReport()


def test_what_failed_leaves_no_half_behind(filled: Database) -> None:
    say(filled, began(0))
    drain(filled, Elsewhere(lambda _: TransportError("no")), GATE, NOW_MS)
    assert traces(filled) == []


def test_after_the_failure_order_is_kept(filled: Database) -> None:
    say(filled, began(0), ended(60))
    drain(filled, Elsewhere(lambda _: TransportError("no")), GATE, NOW_MS)
    up = Elsewhere(lambda _: None)
    assert drain(filled, up, GATE, NOW_MS + FIRST_BACKOFF_MS) == DrainReport(done=2)
    assert up.told == ["noise-1", "returned"]


def test_the_delay_grows_to_a_bound(filled: Database) -> None:
    say(filled, began(0))
    down = Elsewhere(lambda _: TransportError("no"))
    now_ms, delays = NOW_MS, []
    for _ in range(14):
        assert drain(filled, down, GATE, now_ms).failed == 1
        delays.append(NOW_MS + waiting(filled)[0][1] - now_ms)
        now_ms += delays[-1]
    assert delays[:4] == [1_000, 2_000, 4_000, 8_000]
    assert delays[-1] == LONGEST_BACKOFF_MS


def test_what_is_refused_for_good_is_kept_with_its_reason(filled: Database) -> None:
    say(filled, began(0), began(1, series=SERIES_B))
    fussy = Elsewhere(lambda what: RejectedError("unknown") if what == "noise-1" else None)
    assert drain(filled, fussy, GATE, NOW_MS) == DrainReport(done=1, rejected=1)
    assert waiting(filled) == []
    with filled.read() as connection:
        errors = list(connection.scalars(sa.select(schema.outbox.c.error)))
    assert errors == ["rejected: unknown", ""]


def test_what_was_refused_for_good_is_shown_to_people(filled: Database) -> None:
    say(filled, began(0))
    drain(filled, Elsewhere(lambda _: RejectedError("no such street")), GATE, NOW_MS)
    with filled.read() as connection:
        (found,) = rejected(connection)
        assert (found.topic, found.error, found.attempts) == ("alert.raised", "no such street", 1)
        assert count_rejected(connection) == 1


def test_a_crash_between_two_messages_repeats_none(filled: Database) -> None:
    """The process dies while the second message is being delivered: both come again, undone."""
    say(filled, began(0), began(1, series=SERIES_B))

    def dies(what: str) -> Exception | None:
        return ProcessDiedError() if what == "noise-2" else None

    with pytest.raises(ProcessDiedError):
        drain(filled, Elsewhere(dies), GATE, NOW_MS)
    assert traces(filled) == []
    assert len(waiting(filled)) == 2
    assert drain(filled, Elsewhere(lambda _: None), GATE, NOW_MS).done == 2
    assert traces(filled) == ["noise-1", "noise-2"]


class ProcessDiedError(Exception):
    """Stands for the end of the process."""


def test_a_database_that_fails_is_said_loudly(filled: Database) -> None:
    say(filled, began(0))
    with pytest.raises(StorageError):
        drain(filled, Elsewhere(lambda _: StorageError("disk")), GATE, NOW_MS)
    assert len(waiting(filled)) == 1


def test_many_are_taken_in_portions_up_to_the_limit(filled: Database) -> None:
    numbers = range(100, 220)
    with filled.write() as connection:
        rows = [{"id": n, "device": "noise-1", "measurement": f"noise_laeq.c{n}"} for n in numbers]
        connection.execute(sa.insert(schema.series), rows)
    for number in (SERIES_A, SERIES_B):
        say(filled, began(0, series=number))
    with filled.write() as connection:
        table = schema.outbox
        connection.execute(
            sa.insert(table),
            [
                {"topic": "alert.returned", "key": f"k{n}", "payload": {}, "created_ms": 0}
                for n in numbers
            ],
        )
    report = drain(filled, LEDGER, GATE, NOW_MS, limit=100)
    assert report == DrainReport(done=100, more=True)
    assert drain(filled, LEDGER, GATE, NOW_MS) == DrainReport(done=22)
