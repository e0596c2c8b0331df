from __future__ import annotations

import pytest

from cloud.cases.timers import DUE_SOON_TOPIC, OVERDUE_TOPIC, Ticked, tick
from cloud.core.case_steps import State, Step
from cloud.core.gate import decide
from cloud.state.database import Database
from tests.cloud.alert_kit import SERIES_B, T0_MS, began, fill
from tests.cloud.cases.case_kit import (
    COVER,
    DAY_MS,
    HOUR_MS,
    NOW_MS,
    POLICY,
    arise,
    calm,
    close,
    do,
    look,
    open_case,
    outbox,
    say,
    trail,
)


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def test_people_are_warned_once_and_told_once(filled: Database) -> None:
    case = arise(filled, 0)
    due_ms = look(filled, case).case.due_ms or 0
    version = look(filled, case).case.version
    assert tick(filled, due_ms - HOUR_MS - 1) == Ticked()
    assert tick(filled, due_ms - HOUR_MS) == Ticked(warned=1)
    assert tick(filled, due_ms - 1) == Ticked()
    assert tick(filled, due_ms) == Ticked(overdue=1)
    assert tick(filled, due_ms + DAY_MS) == Ticked()
    assert trail(filled, case) == ["open", "due soon", "overdue"]
    assert (outbox(filled, DUE_SOON_TOPIC), outbox(filled, OVERDUE_TOPIC)) == ([case], [case])
    assert look(filled, case).case.version == version


def test_a_new_due_time_is_warned_of_anew(filled: Database) -> None:
    case = arise(filled, 0)
    due_ms = look(filled, case).case.due_ms or 0
    tick(filled, due_ms)
    do(filled, case, Step.DISPATCH, at_ms=due_ms + 1)
    do(filled, case, Step.EXTEND, at_ms=due_ms + 2)
    later_ms = look(filled, case).case.due_ms or 0
    assert later_ms > due_ms
    assert tick(filled, later_ms) == Ticked(overdue=1)


def test_a_cover_is_due_twice(filled: Database) -> None:
    alert = say(filled, began(0, rule="very-loud"))
    case = open_case(filled, alert, device=COVER)
    decision = decide(alert.severity, alert.category, COVER, NOW_MS, POLICY)
    assert look(filled, case).case.due_ms == decision.due_ms == NOW_MS + 3 * HOUR_MS
    do(filled, case, Step.DISPATCH)
    secured = do(filled, case, Step.SECURE)
    assert secured.due_ms == NOW_MS + 24 * HOUR_MS
    assert tick(filled, NOW_MS + 3 * HOUR_MS) == Ticked()


def test_what_was_deferred_goes_on_by_itself(filled: Database) -> None:
    case = arise(filled, 0)
    do(filled, case, Step.DISPATCH)
    deferred = do(filled, case, Step.DEFER)
    resume_ms = deferred.resume_ms or 0
    assert tick(filled, resume_ms - 1) == Ticked()
    assert tick(filled, resume_ms).resumed == 1
    assert look(filled, case).case.state is State.DISPATCHED


def test_closed_while_the_sensor_is_beyond_is_reworked(filled: Database) -> None:
    case = arise(filled, 0)
    closed_ms = close(filled, case).closed_ms or 0
    grace_ms = round(POLICY.grace_s * 1000)
    assert tick(filled, closed_ms + grace_ms - 1) == Ticked()
    assert tick(filled, closed_ms + grace_ms) == Ticked(relapsed=1)
    found = look(filled, case)
    assert found.case.state is State.DISPATCHED
    assert (found.trail[-1].step, found.trail[-1].by) == (Step.RELAPSE, "")
    assert (found.case.due_ms or 0) > closed_ms + grace_ms


def test_closed_after_the_sensor_was_normal_stays_closed(filled: Database) -> None:
    case = arise(filled, 0)
    calm(filled, 60)
    close(filled, case)
    assert tick(filled, NOW_MS + DAY_MS) == Ticked()


def test_of_two_closed_cases_of_one_matter_one_is_taken_up_again(filled: Database) -> None:
    """Found by a simulated month: both were, against the rule of one open case, and time stood."""
    first = arise(filled, 0)
    close(filled, first)
    later_s = (POLICY.reopen_days + 1) * DAY_MS / 1000
    second = arise(filled, later_s, series=SERIES_B)
    closed_ms = T0_MS + round(later_s * 1000) + HOUR_MS
    close(filled, second, closed_ms)
    assert first != second
    now_ms = closed_ms + round(POLICY.grace_s * 1000)
    assert tick(filled, now_ms) == Ticked(relapsed=1)
    assert tick(filled, now_ms) == Ticked()
    states = {look(filled, case).case.state for case in (first, second)}
    assert states == {State.DISPATCHED, State.CLOSED}
