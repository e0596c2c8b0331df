from __future__ import annotations

import pytest
import sqlalchemy as sa

from cloud.cases.steps import Given
from cloud.core.case_roles import Actor, CaseRole
from cloud.core.case_steps import State, Step
from cloud.errors import ConflictError, ForbiddenError, InvalidError
from cloud.state import schema
from cloud.state.database import Database
from contract.errors import StorageError
from tests.cloud.alert_kit import fill
from tests.cloud.cases.case_kit import (
    ANYBODY,
    CREW,
    DAY_MS,
    DESK,
    HOUR_MS,
    INSPECTOR,
    MANAGER,
    NOW_MS,
    UNIT,
    arise,
    calm,
    do,
    look,
    person,
    trail,
)


@pytest.fixture
def case(database: Database) -> str:
    fill(database)
    found = arise(database, 0)
    do(database, found, Step.DISPATCH, DESK)
    return found


@pytest.mark.parametrize(
    ("step", "leads_to"),
    [
        (Step.RETURN, State.OPENED),
        (Step.VOID, State.VOID),
        (Step.EXTEND, State.DISPATCHED),
        (Step.DEFER, State.DEFERRED),
    ],
)
def test_what_takes_approval_is_asked_for_and_approved(
    database: Database, case: str, step: Step, leads_to: State
) -> None:
    asked = do(database, case, step, CREW)
    assert asked.state is State.DISPATCHED
    request = look(database, case).request
    assert request is not None
    assert (request.step, request.by, request.note) == (step, "crew", "done")
    done = do(database, case, Step.APPROVE, MANAGER)
    assert done.state is leads_to
    assert look(database, case).request is None
    last = look(database, case).trail[-3:]
    assert [(e.step, e.by, e.about) for e in last] == [
        (Step.REQUEST, "crew", step.value),
        (Step.APPROVE, "boss", step.value),
        (step, "boss", ""),
    ]


def test_what_is_declined_stays_as_it_was(database: Database, case: str) -> None:
    do(database, case, Step.RETURN, CREW)
    assert do(database, case, Step.DECLINE, MANAGER).state is State.DISPATCHED
    assert trail(database, case)[-2:] == ["request", "decline"]
    with pytest.raises(ConflictError, match="nothing waits for approval"):
        do(database, case, Step.APPROVE, MANAGER)


def test_one_request_waits_at_a_time_and_lapses_when_the_case_moves_on(
    database: Database, case: str
) -> None:
    do(database, case, Step.RETURN, CREW)
    with pytest.raises(ConflictError, match="'return' has been asked for by crew"):
        do(database, case, Step.DEFER, CREW)
    do(database, case, Step.HANDLE, CREW)
    assert look(database, case).request is None
    assert trail(database, case)[-2:] == ["decline", "handle"]


def test_a_manager_needs_nobody_else(database: Database, case: str) -> None:
    assert do(database, case, Step.VOID, MANAGER).state is State.VOID


def test_extending_moves_the_due_time(database: Database, case: str) -> None:
    before = look(database, case).case
    later = (before.handle_due_ms or 0) + DAY_MS
    after = do(database, case, Step.EXTEND, MANAGER, given=Given(note="rain", until_ms=later))
    assert (after.handle_due_ms, after.due_ms) == (later, later)
    assert after.close_due_ms == (before.close_due_ms or 0) + DAY_MS
    assert look(database, case).trail[-1].due_ms == later


def test_deferring_stops_the_clock(database: Database, case: str) -> None:
    before = look(database, case).case
    deferred = do(database, case, Step.DEFER, MANAGER, NOW_MS + HOUR_MS)
    assert (deferred.state, deferred.due_ms) == (State.DEFERRED, None)
    resumed = do(database, case, Step.RESUME, DESK, NOW_MS + 11 * HOUR_MS)
    assert resumed.due_ms == (before.due_ms or 0) + 10 * HOUR_MS
    assert (resumed.deferred_ms, resumed.resume_ms) == (None, None)


@pytest.mark.parametrize(
    ("step", "given", "words"),
    [
        (Step.EXTEND, Given(note="x"), "needs a time: the new due time"),
        (Step.EXTEND, Given(note="x", until_ms=1), "still to come"),
        (Step.EXTEND, Given(note="x", until_ms=NOW_MS + HOUR_MS), "after the one it is due at"),
        (Step.DEFER, Given(until_ms=NOW_MS + DAY_MS), "needs a note: why it must wait"),
        (Step.HANDLE, Given(note="x", satisfaction=6), "allowed: 1 to 5"),
        (Step.HANDLE, Given(note="x", unit="u" * 201), "at most 200"),
    ],
)
def test_what_must_come_with_a_step(
    database: Database, case: str, step: Step, given: Given, words: str
) -> None:
    before = look(database, case)
    with pytest.raises(InvalidError, match=words):
        do(database, case, step, CREW, given=given)
    assert look(database, case) == before


@pytest.mark.parametrize(
    ("step", "actor", "words"),
    [
        (Step.HANDLE, person("x", CaseRole.HANDLER, unit="燃气公司"), f"is {UNIT}'s; x is of"),
        (Step.HANDLE, INSPECTOR, "takes the case role handler; eye has verifier"),
        (Step.APPROVE, DESK, "takes the case role manager"),
    ],
)
def test_who_may_not(database: Database, case: str, step: Step, actor: Actor, words: str) -> None:
    with pytest.raises(ForbiddenError, match=words):
        do(database, case, step, actor)


def test_a_step_with_a_form_of_its_own_is_told_so(database: Database, case: str) -> None:
    with pytest.raises(InvalidError, match="address of its own"):
        do(database, case, Step.MERGE)


def test_each_line_says_whose_it_was_and_what_was_met(database: Database, case: str) -> None:
    calm(database, 60)
    do(database, case, Step.RETURN, MANAGER)
    other = Given(note="done", unit="排水管理所")
    do(database, case, Step.DISPATCH, DESK, given=other)
    due_ms = look(database, case).case.handle_due_ms
    handled = do(database, case, Step.HANDLE)
    assert handled.due_ms == handled.verify_due_ms == NOW_MS + 60_000 + DAY_MS
    do(database, case, Step.VERIFY, INSPECTOR)
    closed = do(database, case, Step.CLOSE, INSPECTOR, given=Given(satisfaction=5))
    assert (closed.state, closed.satisfaction) == (State.CLOSED, 5)
    lines = {event.step: event for event in look(database, case).trail}
    assert (lines[Step.HANDLE].unit, lines[Step.HANDLE].due_ms) == ("排水管理所", due_ms)
    assert lines[Step.RETURN].unit == UNIT
    assert lines[Step.CLOSE].due_ms == closed.close_due_ms


def test_supervising_changes_no_state(database: Database, case: str) -> None:
    assert do(database, case, Step.SUPERVISE, MANAGER).state is State.DISPATCHED


@pytest.mark.parametrize("change", [sa.delete(schema.case_events), None])
def test_the_trail_is_never_changed(
    database: Database, case: str, change: sa.Delete | None
) -> None:
    statement = change if change is not None else sa.update(schema.case_events).values(by="me")
    before = look(database, case).trail
    with (
        pytest.raises((StorageError, sa.exc.IntegrityError), match="never changed"),
        database.write() as connection,
    ):
        connection.execute(statement)
    assert look(database, case).trail == before
    assert ANYBODY.only_handles is False


def test_supervised_while_it_is_deferred_it_stays_deferred(database: Database, case: str) -> None:
    deferred = do(database, case, Step.DEFER)
    after = do(database, case, Step.SUPERVISE)
    assert after.state is State.DEFERRED
    assert (after.deferred_ms, after.resume_ms) == (deferred.deferred_ms, deferred.resume_ms)
    assert after.deferred_ms is not None
