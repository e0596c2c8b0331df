from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from cloud import alerts
from cloud.alerts import Alert
from cloud.cases import ledger
from cloud.cases.ledger import Case, CaseDetail
from cloud.core.case_steps import State, Step
from cloud.core.gate import Decision, GatePolicy, decide
from cloud.core.model import ConditionEvent, Device, Role, Severity
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import RULES, SERIES_B, SERIES_GAS, T0_MS, began, ended, fill

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW_MS = T0_MS + 1_000_000  # 2026-09-22, before midnight
NOISE = Device(id="noise-1", kind="noise", asset="GR-1", owner="文化路街道办")


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def raise_alert(database: Database, event: ConditionEvent) -> Alert:
    with database.write() as connection:
        (change,) = alerts.apply(connection, [event], RULES, NOW_MS)
        return alerts.get_alert(connection, change.alert).alert


def decision_of(alert: Alert, at_ms: int = NOW_MS) -> Decision:
    return decide(alert.severity, alert.category, NOISE, at_ms, GatePolicy())


def take(database: Database, alert: Alert, at_ms: int = NOW_MS) -> str:
    with database.write() as connection:
        return ledger.open_or_attach(connection, alert, decision_of(alert), at_ms, SHANGHAI)


def normal(database: Database, event: ConditionEvent) -> None:
    with database.write() as connection:
        for change in alerts.apply(connection, [event], RULES, NOW_MS + 1):
            ledger.sensor_normal(connection, change.alert, NOW_MS + 1)


def look(database: Database, case: str) -> CaseDetail:
    with database.read() as connection:
        return ledger.get_case(connection, case)


def step(
    database: Database,
    case: str,
    what: Step | str,
    *,
    note: str = "",
    role: Role = Role.OPERATOR,
    version: int | None = None,
) -> Case:
    seen = look(database, case).case.version if version is None else version
    with database.write() as connection:
        return ledger.step(connection, case, what, "ming", role, seen, note, NOW_MS + 60_000)


def test_an_alert_opens_a_case(filled: Database) -> None:
    alert = raise_alert(filled, began(0))
    case = take(filled, alert)
    assert case == "20260922-000001"
    detail = look(filled, case)
    assert detail.case == Case(
        id=case,
        asset="GR-1",
        category="05-08",
        title=alert.title,
        title_en=alert.title_en,
        kind="noise",
        device="noise-1",
        severity=Severity.MEDIUM,
        state=State.OPENED,
        unit="文化路街道办",
        sensor_normal_ms=None,
        opened_ms=NOW_MS,
        due_ms=NOW_MS + 24 * 3_600_000,
        handle_due_ms=NOW_MS + 24 * 3_600_000,
        close_due_ms=NOW_MS + 72 * 3_600_000,
        closed_ms=None,
        version=1,
    )
    assert [(e.step, e.note) for e in detail.trail] == [(Step.OPEN, alert.id)]
    assert detail.alerts == [alert]
    with filled.read() as connection:
        assert alerts.get_alert(connection, alert.id).cases == [case]


def test_doing_it_again_changes_nothing(filled: Database) -> None:
    alert = raise_alert(filled, began(0))
    case = take(filled, alert)
    before = look(filled, case)
    assert take(filled, alert, NOW_MS + 5) == case
    assert look(filled, case) == before


def test_a_repeat_is_attached_and_may_make_it_worse(filled: Database) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    worse = raise_alert(filled, began(1, rule="very-loud", series=SERIES_B))
    assert take(filled, worse) == case
    detail = look(filled, case)
    assert (detail.case.severity, detail.case.version) == (Severity.HIGH, 2)
    assert detail.case.due_ms == NOW_MS + 12 * 3_600_000
    assert [e.step for e in detail.trail] == [Step.OPEN, Step.ATTACH]
    assert len(detail.alerts) == 2


def test_numbers_run_by_local_day(filled: Database) -> None:
    first = take(filled, raise_alert(filled, began(0)))
    step(filled, first, Step.VOID, role=Role.MANAGER, note="a test")
    second = take(filled, raise_alert(filled, began(1, rule="very-loud")))
    step(filled, second, Step.VOID, role=Role.MANAGER, note="a test")
    evening_ms = T0_MS + 14 * 3_600_000  # 10:00 + 14 h = midnight in Shanghai
    third = take(filled, raise_alert(filled, began(2, rule="no-case")), evening_ms)
    assert (first, second, third) == ("20260922-000001", "20260922-000002", "20260923-000001")


def test_sensor_normal_proposes_and_never_closes(filled: Database) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    normal(filled, ended(60))
    detail = look(filled, case)
    assert (detail.case.state, detail.case.sensor_normal_ms) == (State.OPENED, NOW_MS + 1)
    assert detail.trail[-1].step is Step.SENSOR_NORMAL


def test_the_sensor_is_normal_when_all_are(filled: Database) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    take(filled, raise_alert(filled, began(1, series=SERIES_B)))
    normal(filled, ended(60))
    assert look(filled, case).case.sensor_normal_ms is None
    normal(filled, ended(61, series=SERIES_B))
    assert look(filled, case).case.sensor_normal_ms == NOW_MS + 1


def test_beyond_again_is_noted(filled: Database) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    normal(filled, ended(60))
    assert take(filled, raise_alert(filled, began(120))) == case
    detail = look(filled, case)
    assert detail.case.sensor_normal_ms is None
    assert detail.trail[-1].step is Step.SENSOR_ABNORMAL


def test_the_seven_steps_to_the_end(filled: Database) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    normal(filled, ended(60))
    step(filled, case, Step.DISPATCH)
    step(filled, case, "handle", note="turned down")
    step(filled, case, "rework", note="still loud")
    step(filled, case, "handle", note="turned off")
    step(filled, case, "verify", note="quiet")
    closed = step(filled, case, "close")
    assert (closed.state, closed.closed_ms) == (State.CLOSED, NOW_MS + 60_000)
    trail = look(filled, case).trail
    assert [e.to_state.value for e in trail] == [
        "opened",
        "opened",
        "dispatched",
        "handled",
        "dispatched",
        "handled",
        "verified",
        "closed",
    ]
    assert all(a.to_state is b.from_state for a, b in pairwise(trail))


def test_after_it_is_closed_the_next_alert_opens_another(filled: Database) -> None:
    alert = raise_alert(filled, began(0))
    first = take(filled, alert)
    step(filled, first, Step.VOID, role=Role.MANAGER, note="a test")
    assert take(filled, alert) != first


@pytest.mark.parametrize(
    ("what", "note", "role", "error", "words"),
    [
        (
            "explode",
            "",
            Role.ADMIN,
            InvalidError,
            r"unknown step 'explode'; allowed: accept, refuse, dispatch",
        ),
        ("sensor normal", "", Role.ADMIN, InvalidError, r"is nothing a person does"),
        (
            "dispatch",
            "",
            Role.VIEWER,
            ForbiddenError,
            r"takes the case role dispatcher; ming has none",
        ),
        ("supervise", "x", Role.OPERATOR, ForbiddenError, r"takes the case role manager"),
        ("void", "  ", Role.MANAGER, InvalidError, r"needs a note: why there is no case"),
        ("close", "", Role.ADMIN, ConflictError, r"possible: dispatch, void, merge"),
        ("dispatch", "x" * 5_000, Role.ADMIN, InvalidError, r"at most 4000"),
    ],
)
def test_a_step_that_may_not_be(
    filled: Database, what: str, note: str, role: Role, error: type[Exception], words: str
) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    before = look(filled, case)
    with pytest.raises(error, match=words):
        step(filled, case, what, note=note, role=role)
    assert look(filled, case) == before


def test_closing_while_the_sensor_is_beyond_needs_a_reason(filled: Database) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    for what in ("dispatch", "handle", "verify"):
        step(filled, case, what, note="done")
    with pytest.raises(InvalidError, match="the sensor is not back to normal"):
        step(filled, case, "close")
    assert step(filled, case, "close", note="a fair, allowed").state is State.CLOSED


def test_two_people_at_once_the_second_is_refused(filled: Database) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    step(filled, case, "dispatch", version=1)
    with pytest.raises(ConflictError, match=r"version 2, not 1; load it again"):
        step(filled, case, "void", note="x", role=Role.ADMIN, version=1)


def test_a_case_that_is_not_there(filled: Database) -> None:
    with pytest.raises(NotFoundError, match="no case '2'"):
        step(filled, "2", "dispatch", version=1)


def test_listing_filters_and_pages(filled: Database) -> None:
    take(filled, raise_alert(filled, began(0)))
    gas = raise_alert(filled, began(1, series=SERIES_GAS))
    with filled.write() as connection:
        device = Device(id="gas-1", kind="gas")
        decision = decide(Severity.HIGH, "04-03", device, NOW_MS, GatePolicy())
        ledger.open_or_attach(connection, gas, decision, NOW_MS + 5, SHANGHAI)
    with filled.read() as connection:
        page = ledger.list_cases(connection, limit=1)
        assert [case.kind for case in page.cases] == ["gas"]
        rest = ledger.list_cases(connection, limit=1, cursor=page.cursor or "")
        assert ([case.kind for case in rest.cases], rest.cursor) == (["noise"], None)
        assert len(ledger.list_cases(connection, states=[State.OPENED]).cases) == 2
        assert len(ledger.list_cases(connection, states=[State.CLOSED]).cases) == 0
        assert len(ledger.list_cases(connection, kind="gas").cases) == 1
        assert len(ledger.list_cases(connection, device="noise-1").cases) == 1
        assert len(ledger.list_cases(connection, unit="文化路街道办").cases) == 1
        assert len(ledger.list_cases(connection, since_ms=NOW_MS + 1).cases) == 1
        assert ledger.count_cases(connection) == {
            ("gas", State.OPENED): 1,
            ("noise", State.OPENED): 1,
        }


def at_once(count: int, work: Callable[[int], object]) -> list[BaseException]:
    """Run work in threads that begin together; return what they raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[n], name=f"writer-{n}") for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_twenty_writers_open_one_case(filled: Database) -> None:
    numbers = range(100, 120)
    with filled.write() as connection:
        rows = [{"id": n, "device": "noise-2", "measurement": f"noise_laeq.c{n}"} for n in numbers]
        connection.execute(sa.insert(schema.series), rows)
    event = began(0, series=SERIES_B)
    raised = [raise_alert(filled, replace(event, series=number)) for number in numbers]
    assert at_once(20, lambda n: take(filled, raised[n])) == []
    with filled.read() as connection:
        (case,) = ledger.list_cases(connection).cases
        detail = ledger.get_case(connection, case.id)
    assert len(detail.alerts) == 20
    assert [e.step for e in detail.trail] == [Step.OPEN] + [Step.ATTACH] * 19


def test_twenty_people_take_one_step_once(filled: Database) -> None:
    case = take(filled, raise_alert(filled, began(0)))
    errors = at_once(20, lambda _: step(filled, case, "dispatch", version=1))
    assert [type(error) for error in errors] == [ConflictError] * 19
    assert look(filled, case).case.version == 2
